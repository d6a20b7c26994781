// Requests to one registry: the scheme it speaks, redirects, authorization, retries.
import type { RegistryAuth } from "../containerd/services.ts";
import { ServiceError } from "../containerd/services.ts";
import { type Access, Authorizer } from "./auth.ts";
import { type TlsOptions, tlsOptions } from "./certificates.ts";
import { connectionFailure } from "./failure.ts";
import type { Reference } from "./reference.ts";
import { defaultRetry, pause, pauseBefore, type RetryPolicy, retryAfter } from "./retry.ts";

export interface ConnectionOptions {
  auth?: RegistryAuth;
  /** Any certificate is taken, and plain http where https is not spoken. Loopback registries are always treated so. */
  insecure?: boolean;
  retry?: RetryPolicy;
  /** Base URL to ask in place of the reference's own host: a mirror. */
  endpoint?: string;
  /** The endpoint's path is all of it: no "/v2" is put behind it. */
  wholePath?: boolean;
  /** The registry that the endpoint stands for, for mirrors of several ("ns" in the query, as containerd has it). */
  namespace?: string;
  /** Headers for every request to this host. */
  headers?: Record<string, string>;
  /** Certificates of this host, in place of those that Docker's directory has. */
  tls?: TlsOptions;
  userAgent?: string;
  /** What to ask a token for; reading, unless given. */
  access?: Access;
}

export type Method = "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";

export interface RequestOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Bytes, or what makes their stream: a request may have to be sent more than once. `content-length` is the caller's. */
  body?: Uint8Array | (() => ReadableStream<Uint8Array>);
  /** Passing failures are the caller's too: only a 401 is answered. */
  once?: boolean;
}

const MAX_REDIRECTS = 10;
const KEEPING: ReadonlySet<number> = new Set([307, 308]);
const FOLLOWED: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** "docker.io" is the name, registry-1.docker.io the machine. */
export function registryHost(domain: string): string {
  return domain === "docker.io" ? "registry-1.docker.io" : domain;
}

/** Docker's rule: 127.0.0.0/8, ::1 and localhost need no TLS. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:[0-9]+$/, "").toLowerCase();
  return name === "localhost" || name === "[::1]" || /^127(\.[0-9]{1,3}){3}$/.test(name);
}

/** Whether the same request may succeed a moment later. */
export const isPassing = (status: number) => status === 429 || status === 408 || status >= 500;

export class Connection {
  /** "https://host" once it is known which scheme is spoken. */
  #origin?: string;
  readonly #endpoint?: string;
  readonly #host: string;
  readonly #insecure: boolean;
  readonly #authorizer: Authorizer;
  readonly #tls: TlsOptions;
  readonly #retry: RetryPolicy;

  constructor(
    reference: Reference,
    private readonly options: ConnectionOptions = {},
  ) {
    this.#endpoint = options.endpoint?.replace(/\/+$/, "");
    this.#host = this.#endpoint ? new URL(this.#endpoint).host : registryHost(reference.domain);
    this.#insecure = options.insecure === true || isLoopback(this.#host);
    this.#tls = options.tls
      ? { ...(this.#insecure ? { rejectUnauthorized: false } : {}), ...options.tls }
      : tlsOptions(this.#host, this.#insecure);
    this.#retry = options.retry ?? defaultRetry;
    this.#authorizer = new Authorizer(
      (url, init) => this.#send(url, init),
      reference,
      options.auth,
      options.access,
    );
  }

  /** The registry's own address, "https://host". */
  async origin(signal?: AbortSignal): Promise<string> {
    this.#origin ??= await this.#ping(signal);
    return this.#origin;
  }

  /**
   * Sends a request for `path` ("/v2/…", or a whole URL that the registry gave) and returns the answer, whatever its status but
   * 401 with a way to authorize and passing failures (those after the last attempt). Throws ServiceError when no answer comes.
   */
  async request(method: Method, path: string, options: RequestOptions = {}): Promise<Response> {
    const { headers = {}, signal, body, once = false } = options;
    const origin = await this.origin(signal);
    const url = path.startsWith("/") ? this.#address(origin, path) : path;
    const attempts = once ? 1 : this.#retry.attempts;
    // An upload may go to a storage server: what the registry trusts us with is not for that.
    const own = new URL(url).origin === new URL(origin).origin;
    let challenged = false;
    for (let attempt = 1; ; attempt++) {
      let failure: unknown;
      let wait = pauseBefore(attempt + 1, this.#retry);
      try {
        const header = own ? this.#authorizer.header : undefined;
        const all = header === undefined ? headers : { ...headers, authorization: header };
        const response = await this.#send(url, { method, headers: all, signal, body });
        // Once: a second 401 means that what we have is not enough.
        if (
          response.status === 401 &&
          !challenged &&
          own &&
          new URL(response.url).host === new URL(url).host
        ) {
          challenged = true;
          if (await this.#authorizer.answer(response)) {
            await response.body?.cancel();
            attempt--;
            continue;
          }
        }
        if (!isPassing(response.status) || attempt >= attempts) return response;
        wait = retryAfter(response.headers.get("retry-after")) ?? wait;
        await response.body?.cancel();
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof ServiceError && error.code !== "Unavailable") throw error;
        failure = error;
      }
      if (failure !== undefined && attempt >= attempts) throw failure;
      await pause(wait, signal);
    }
  }

  /** The address of "/v2/…" at an origin. */
  #address(origin: string, path: string): string {
    const { wholePath, namespace } = this.options;
    const address = origin + (wholePath ? path.replace(/^\/v2/, "") : path);
    if (namespace === undefined || registryHost(namespace) === this.#host) return address;
    return `${address}${address.includes("?") ? "&" : "?"}ns=${encodeURIComponent(namespace)}`;
  }

  /** Finds the scheme (end-1, GET /v2/). Also what tells people at once that nothing listens there. */
  async #ping(signal?: AbortSignal): Promise<string> {
    const origins = this.#endpoint
      ? [this.#endpoint]
      : [`https://${this.#host}`, ...(this.#insecure ? [`http://${this.#host}`] : [])];
    let failure: unknown;
    for (const origin of origins) {
      try {
        const response = await this.#send(this.#address(origin, "/v2/"), {
          method: "GET",
          headers: {},
          signal,
        });
        if (response.status === 401) await this.#authorizer.answer(response);
        await response.body?.cancel();
        return origin;
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof ServiceError && error.code !== "Unavailable") throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** One request, redirects followed. Credentials do not follow to another host, nor from https to http. */
  async #send(
    target: string,
    init: {
      method: string;
      headers: Record<string, string>;
      body?: string | RequestOptions["body"];
      signal?: AbortSignal;
    },
  ): Promise<Response> {
    let url = target;
    const headers: Record<string, string> = {
      "user-agent": this.options.userAgent ?? "bunker",
      // Blobs are what they are: a proxy must not compress them on the way.
      "accept-encoding": "identity",
      ...init.headers,
    };
    for (let redirects = 0; ; redirects++) {
      let response: Response;
      try {
        response = await fetch(url, {
          method: init.method,
          headers: new URL(url).host === this.#host ? { ...headers, ...this.options.headers } : headers,
          body: typeof init.body === "function" ? init.body() : (init.body as RequestInit["body"]),
          signal: init.signal,
          redirect: "manual",
          decompress: false,
          tls: new URL(url).host === this.#host ? this.#tls : undefined,
        });
      } catch (error) {
        init.signal?.throwIfAborted();
        throw await connectionFailure(error, init.method, url);
      }
      const location = response.headers.get("location");
      // A registry that is written to redirects nothing but by 307 and 308, which keep method and body.
      const follows = init.method === "GET" || init.method === "HEAD" ? FOLLOWED : KEEPING;
      if (!follows.has(response.status) || location === null) return response;
      await response.body?.cancel();
      if (redirects >= MAX_REDIRECTS || !URL.canParse(location, url)) {
        throw new ServiceError("Unknown", `${init.method} ${target}: stopped after ${redirects} redirects`);
      }
      const next = new URL(location, url);
      if (next.protocol !== "http:" && next.protocol !== "https:") {
        throw new ServiceError(
          "Unknown",
          `${init.method} ${target}: redirected to ${next.protocol} which is no web address`,
        );
      }
      const from = new URL(url);
      if (next.host !== from.host || next.protocol !== from.protocol) delete headers["authorization"];
      url = next.href;
    }
  }
}
