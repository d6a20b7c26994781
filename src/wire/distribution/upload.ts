// One blob on its way into a registry: mounted from a sister repository, else sent in one PUT, else — where the connection broke
// or the registry will not take it whole — in chunks from where it stopped. distribution-spec "Pushing Blobs"

import { type Descriptor, ServiceError } from "../containerd/services.ts";
import { pulledStream } from "../pulled-stream.ts";
import { type Connection, isPassing, type RequestOptions } from "./connection.ts";
import { refusal } from "./failure.ts";
import type { Reference } from "./reference.ts";
import { limitedText } from "./registry.ts";
import { defaultRetry, pause, pauseBefore, type RetryPolicy, retryAfter } from "./retry.ts";

/** The blob's bytes from `offset` on. It is read again when sending must be repeated. */
export type BlobSource = (offset: number, size?: number) => AsyncIterable<Uint8Array>;

export type Uploaded = { how: "uploaded" } | { how: "mounted"; from: string };

/** Large enough for registries with a least size (5 MiB), small enough to hold in memory a few times. */
const CHUNK = 8 << 20;

/** A registry that answers so wants the blob in chunks. */
const NOT_WHOLE: ReadonlySet<number> = new Set([405, 411, 413, 415, 501]);

const octets = "application/octet-stream";

/** How long the registry's answer is waited for after an abort. */
const GRACE_MS = 2000;

/** A signal that aborts that much later. */
function after(signal: AbortSignal, ms: number): AbortSignal {
  const late = new AbortController();
  const soon = () => void setTimeout(() => late.abort(signal.reason), ms).unref();
  if (signal.aborted) soon();
  else signal.addEventListener("abort", soon, { once: true });
  return late.signal;
}

export class Upload {
  /** Where the registry wants the bytes; it moves with every answer. */
  #location = "";
  #offset = 0;
  #chunk = CHUNK;
  readonly #retry: RetryPolicy;

  constructor(
    private readonly connection: Connection,
    private readonly reference: Reference,
    private readonly descriptor: Descriptor,
    private readonly source: BlobSource,
    retry: RetryPolicy | undefined,
  ) {
    this.#retry = retry ?? defaultRetry;
  }

  /** Throws ServiceError. An upload that fails or is aborted is taken back. */
  async run(from: readonly string[], signal?: AbortSignal): Promise<Uploaded> {
    // Who gives up while the registry begins an upload must learn its name to take it back.
    const patient = signal && after(signal, GRACE_MS);
    for (const repository of from) {
      if (await this.#open(patient, repository)) return { how: "mounted", from: repository };
      // The registry has begun an upload in place of the mount: only the last one is used.
      if (repository !== from.at(-1)) await this.#cancel();
    }
    if (this.#location === "") await this.#open(patient);
    try {
      signal?.throwIfAborted();
      await this.#send(signal);
    } catch (error) {
      await this.#cancel();
      throw error;
    }
    return { how: "uploaded" };
  }

  /** Begins an upload (end-4a) or mounts (end-11). Returns whether the blob is there now. */
  async #open(signal: AbortSignal | undefined, from?: string): Promise<boolean> {
    const { digest } = this.descriptor;
    const query =
      from === undefined ? "" : `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
    const path = `/v2/${this.reference.path}/blobs/uploads/${query}`;
    const headers = { "content-length": "0" };
    const response = await this.connection.request("POST", path, { headers, signal });
    if (response.status === 201 && from !== undefined) {
      await response.body?.cancel();
      return true;
    }
    if (response.status !== 202) {
      const refused = await this.#refused(response);
      // A source that may not be read is no reason not to upload.
      if (from !== undefined && refused.code !== "Unavailable") return false;
      throw refused;
    }
    await this.#move(response);
    this.#offset = 0;
    const least = Number(response.headers.get("oci-chunk-min-length") ?? 0);
    if (least > this.#chunk) this.#chunk = least;
    return false;
  }

  async #send(signal: AbortSignal | undefined): Promise<void> {
    let whole = true;
    for (let attempt = 1; ; attempt++) {
      const before = this.#offset;
      let wait = pauseBefore(attempt + 1, this.#retry);
      let failure: unknown;
      try {
        const response = whole ? await this.#put(signal) : await this.#chunks(signal);
        if (response.ok) {
          await response.body?.cancel();
          return;
        }
        if (whole && NOT_WHOLE.has(response.status)) {
          await response.body?.cancel();
          whole = false;
          await this.#resync(signal);
          continue;
        }
        const lost = response.status === 404 || response.status === 416;
        if (!isPassing(response.status) && !lost) throw await this.#refused(response);
        wait = retryAfter(response.headers.get("retry-after")) ?? wait;
        failure = await this.#refused(response);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof ServiceError) || error.code !== "Unavailable") throw error;
        failure = error;
      }
      if (this.#offset > before) attempt = 1;
      if (attempt >= this.#retry.attempts) throw failure;
      await pause(wait, signal);
      await this.#resync(signal);
      whole = this.#offset === 0 && whole;
    }
  }

  /** The whole blob in one request (end-6). */
  async #put(signal: AbortSignal | undefined): Promise<Response> {
    const { size } = this.descriptor;
    return await this.#request("PUT", this.#finalLocation(), {
      headers: { "content-type": octets, "content-length": String(size) },
      body: () => pulledStream(this.source(0)),
      signal,
    });
  }

  /** Chunk by chunk (end-5), then the end (end-6). */
  async #chunks(signal: AbortSignal | undefined): Promise<Response> {
    const { size } = this.descriptor;
    while (this.#offset < size) {
      const part = Math.min(this.#chunk, size - this.#offset);
      const body = Buffer.concat(await Array.fromAsync(this.source(this.#offset, part)));
      const last = this.#offset + body.length - 1;
      const response = await this.#request("PATCH", this.#location, {
        headers: { "content-type": octets, "content-range": `${this.#offset}-${last}` },
        body,
        signal,
      });
      if (response.status !== 202 && response.status !== 204 && response.status !== 201) return response;
      await this.#move(response);
      this.#offset = rangeEnd(response) ?? last + 1;
    }
    return await this.#request("PUT", this.#finalLocation(), {
      headers: { "content-type": octets, "content-length": "0" },
      signal,
    });
  }

  /** Asks how far the registry has come (end-13); begins anew where it has forgotten the upload. */
  async #resync(signal: AbortSignal | undefined): Promise<void> {
    const response = await this.connection.request("GET", this.#location, { signal });
    if (response.status === 204 || response.status === 202 || response.status === 200) {
      this.#offset = rangeEnd(response) ?? 0;
      await this.#move(response);
      return;
    }
    await response.body?.cancel();
    await this.#open(signal);
  }

  async #cancel(): Promise<void> {
    const location = this.#location;
    this.#location = "";
    if (location === "") return;
    // end-14; best effort, the registry forgets uploads by itself.
    const options = { once: true, signal: AbortSignal.timeout(2000) };
    const response = await this.connection.request("DELETE", location, options).catch(() => undefined);
    await response?.body?.cancel();
  }

  async #request(method: "PUT" | "PATCH", url: string, options: RequestOptions): Promise<Response> {
    return await this.connection.request(method, url, { ...options, once: true });
  }

  async #move(response: Response): Promise<void> {
    const location = response.headers.get("location");
    await response.body?.cancel();
    if (location !== null && URL.canParse(location, response.url)) {
      this.#location = new URL(location, response.url).href;
    } else if (this.#location === "") {
      throw new ServiceError(
        "Unknown",
        `${response.url}: the registry began an upload but did not say where`,
      );
    }
  }

  #finalLocation(): string {
    const separator = this.#location.includes("?") ? "&" : "?";
    return `${this.#location}${separator}digest=${encodeURIComponent(this.descriptor.digest)}`;
  }

  async #refused(response: Response): Promise<ServiceError> {
    return refusal(response.status, await limitedText(response), this.reference, response.url, "push");
  }
}

/** "0-1023" → 1024; a registry that has nothing yet says "0-0" or "0--1". */
function rangeEnd(response: Response): number | undefined {
  const last = /^(?:bytes=)?0-(-?[0-9]+)$/.exec(response.headers.get("range") ?? "")?.[1];
  if (last === undefined) return undefined;
  return Number(last) <= 0 ? 0 : Number(last) + 1;
}
