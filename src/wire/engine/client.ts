// The client side of the Engine API: requests by Bun's fetch (no HTTP library to load), hijacked streams by hijack.ts.
import { readFileSync } from "node:fs";
import { type EngineAddress, parseHost, type TlsFiles } from "./address.ts";
import { ConnectionError, connectionError, EngineError } from "./errors.ts";
import { dial, type Hijacked, type HijackTarget, hijack } from "./hijack.ts";
import { jsonLines } from "./lines.ts";

/** The newest API version spoken, and the one assumed of an engine that does not tell its own. */
export const API_VERSION = "1.51";
const FALLBACK_VERSION = "1.24";

/** How engines refuse a version that they do not know yet: now, and up to 17.05. */
const NEWER = /client version \S+ is too new|client is newer than server/;

export type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

export interface RequestOptions {
  query?: Query;
  /** Sent as JSON. */
  json?: unknown;
  /** In place of `json`: makes what an engine of that API version understands. */
  jsonFor?: (version: string) => unknown;
  /** Sent as it is. */
  body?: Bun.BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** false: no /vX.Y before the path. */
  versioned?: boolean;
}

/** JSON of a request body: Go ignores nothing that is there, so what is undefined is not sent. */
function queryText(query: Query | undefined): string {
  if (!query) return "";
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    if (typeof value === "object") for (const one of value) search.append(name, one);
    else search.append(name, value === true ? "1" : value === false ? "0" : String(value));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

/** -1, 0, 1 as versions of dots compare. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

export interface Ping {
  apiVersion: string;
  osType: string;
  experimental: boolean;
}

export class EngineClient {
  readonly address: Exclude<EngineAddress, { kind: "ssh" }>;
  readonly #tls: Bun.TLSOptions | undefined;
  #version: Promise<string> | undefined;
  #headers: Record<string, string>;

  constructor(options: {
    host: string;
    tls?: TlsFiles;
    /** Fixed API version (DOCKER_API_VERSION): no negotiation. */
    version?: string;
    /** Sent with every request (config.json's HttpHeaders). */
    headers?: Record<string, string>;
    userAgent: string;
  }) {
    const address = parseHost(options.host, options.tls !== undefined);
    this.address =
      address.kind === "ssh"
        ? {
            kind: "unix",
            path: (require("./ssh.ts") as typeof import("./ssh.ts")).listenForSsh(address.host),
            text: address.text,
          }
        : address;
    this.#headers = { ...options.headers, "User-Agent": options.userAgent };
    if (options.version) this.#version = Promise.resolve(options.version.replace(/^v/, ""));
    if (options.tls && this.address.kind === "tcp") {
      const { ca, cert, key, verify } = options.tls;
      this.#tls = {
        ...(ca ? { ca: readFileSync(ca, "utf8") } : {}),
        ...(cert ? { cert: readFileSync(cert, "utf8") } : {}),
        ...(key ? { key: readFileSync(key, "utf8") } : {}),
        rejectUnauthorized: verify,
      };
    }
  }

  /** HEAD /_ping. Throws ConnectionError. */
  async ping(): Promise<Ping> {
    let response = await this.#fetch("HEAD", "/_ping", {});
    // Engines before 18.09 know only GET.
    if (!response.ok) response = await this.#fetch("GET", "/_ping", {});
    return {
      apiVersion: response.headers.get("api-version") ?? FALLBACK_VERSION,
      osType: response.headers.get("ostype") ?? "linux",
      experimental: response.headers.get("docker-experimental") === "true",
    };
  }

  /** The API version in use: the lower of ours and the engine's, asked once. */
  version(): Promise<string> {
    this.#version ??= this.ping().then(({ apiVersion }) =>
      compareVersions(apiVersion, API_VERSION) < 0 ? apiVersion : API_VERSION,
    );
    return this.#version;
  }

  /** Whether the engine's API is at least `version`. */
  async speaks(version: string): Promise<boolean> {
    return compareVersions(await this.version(), version) >= 0;
  }

  /** One request; the body is still to be read. Throws EngineError on 400 and above, ConnectionError. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const target = `${path}${queryText(options.query)}`;
    if (options.versioned === false) return this.#answered(method, target, options);
    const answered = (version: string) => {
      const { jsonFor } = options;
      const made = jsonFor ? { ...options, json: jsonFor(version) } : options;
      return this.#answered(method, `/v${version}${target}`, made);
    };
    // The first request tries our own version unasked: that saves a round trip. An engine that is older refuses it before it does
    // anything, and says what it speaks. A body that cannot be sent twice is not risked.
    if (this.#version === undefined && options.body === undefined) {
      try {
        const response = await answered(API_VERSION);
        this.#version ??= Promise.resolve(API_VERSION);
        return response;
      } catch (error) {
        if (!(error instanceof EngineError) || error.status !== 400 || !NEWER.test(error.reason)) throw error;
      }
    }
    return answered(await this.version());
  }

  async #answered(method: string, target: string, options: RequestOptions): Promise<Response> {
    const response = await this.#fetch(method, target, options);
    if (response.status >= 400) throw await refusal(response, this.address.text);
    return response;
  }

  /** A request whose answer is one JSON value. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.request(method, path, options);
    const text = await response.text();
    return (text.trim() === "" ? undefined : JSON.parse(text)) as T;
  }

  /** A request whose answer does not matter; it is drained so that the connection can serve again. */
  async done(method: string, path: string, options: RequestOptions = {}): Promise<number> {
    const response = await this.request(method, path, options);
    await response.arrayBuffer();
    return response.status;
  }

  /** A request whose answer goes on as bytes. */
  async bytes(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const response = await this.request(method, path, options);
    return response.body ?? new Blob([]).stream();
  }

  /** A request whose answer is JSON values, one a line. */
  async *lines<T>(method: string, path: string, options: RequestOptions = {}): AsyncGenerator<T> {
    yield* jsonLines<T>(await this.bytes(method, path, options));
  }

  get #target(): HijackTarget {
    const { address } = this;
    return address.kind === "unix"
      ? { unix: address.path }
      : { hostname: address.hostname, port: address.port, tls: this.#tls };
  }

  /** A bare connection to the engine. Throws ConnectionError. */
  async dial(): Promise<Hijacked> {
    try {
      return await dial(this.#target);
    } catch (error) {
      throw connectionError(this.address, error);
    }
  }

  /** POST whose connection becomes a stream. */
  async hijack(path: string, options: { query?: Query; json?: unknown } = {}): Promise<Hijacked> {
    const { address } = this;
    const version = await this.version();
    try {
      return await hijack(this.#target, {
        path: `/v${version}${path}${queryText(options.query)}`,
        headers: this.#headers,
        body: options.json === undefined ? undefined : JSON.stringify(options.json),
      });
    } catch (error) {
      if (error instanceof EngineError) throw error;
      throw connectionError(address, error);
    }
  }

  async #fetch(method: string, path: string, options: RequestOptions): Promise<Response> {
    const { address } = this;
    const headers: Record<string, string> = { ...this.#headers, ...options.headers };
    let body: Bun.BodyInit | undefined = options.body;
    if (options.json !== undefined) {
      headers["Content-Type"] = "application/json";
      body = JSON.stringify(options.json);
    }
    const authority =
      address.kind === "unix"
        ? "http://docker"
        : `${this.#tls ? "https" : "http"}://${address.hostname}:${address.port}`;
    const init: BunFetchRequestInit & { timeout: false } = {
      method,
      headers,
      body,
      redirect: "manual",
      // A wait or a log may say nothing for days.
      timeout: false,
      ...(options.signal ? { signal: options.signal } : {}),
      ...(address.kind === "unix" ? { unix: address.path } : {}),
      ...(this.#tls ? { tls: this.#tls } : {}),
    };
    try {
      return await fetch(`${authority}${path}`, init);
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      throw connectionError(address, error);
    }
  }
}

async function refusal(response: Response, host: string): Promise<Error> {
  const text = await response.text();
  let reason: string | undefined;
  try {
    const body = JSON.parse(text) as { message?: unknown };
    if (typeof body.message === "string") reason = body.message;
  } catch {
    reason = text.trim();
  }
  if (reason === undefined || reason === "") {
    return new EngineError(
      response.status,
      `request returned ${response.status} ${response.statusText} for API route and version ${host}, check if the server supports the requested API version`,
    );
  }
  return new EngineError(response.status, reason.trim());
}

export { ConnectionError, EngineError };
