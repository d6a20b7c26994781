// A registry as a Resolver: names → descriptors by HEAD or GET of manifests, blobs with resumption. distribution-spec "Pull".
import { MediaType } from "../../spec/oci/image.ts";
import { ServiceError } from "../containerd/services.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { connectionFailure, refusal } from "./failure.ts";
import { familiarString, type Reference } from "./reference.ts";
import { type BlobStream, type Fetcher, MANIFEST_LIMIT, type Resolved, type Resolver } from "./resolver.ts";

/** Media types of the documents that we can read. */
export const ACCEPT = [
  MediaType.dockerManifest,
  MediaType.dockerManifestList,
  MediaType.manifest,
  MediaType.index,
  "*/*;q=0.1",
].join(", ");

/** No byte for this long means the connection is dead. Asking again costs little: it goes on where it stopped. */
const STALL_MS = 20_000;

const sha256 = (bytes: Uint8Array) => `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

const mediaTypeOf = (response: Response) =>
  (response.headers.get("content-type") ?? "").split(";")[0]!.trim();

/** Registries over the network. One a pull: it keeps the token of one repository. */
export class RegistryResolver implements Resolver {
  constructor(private readonly options: ConnectionOptions = {}) {}

  async resolve(reference: Reference, signal?: AbortSignal): Promise<Resolved> {
    const connection = new Connection(reference, this.options);
    const fetcher = new RegistryFetcher(connection, reference);
    const path = `/v2/${reference.path}/manifests/${reference.digest ?? reference.tag ?? "latest"}`;
    const head = await connection.request("HEAD", path, { headers: { accept: ACCEPT }, signal });
    const digest = head.headers.get("docker-content-digest") ?? reference.digest;
    const size = Number(head.headers.get("content-length") ?? Number.NaN);
    const mediaType = mediaTypeOf(head);
    if (head.ok && digest && /^sha256:[0-9a-f]{64}$/.test(digest) && size > 0 && mediaType.includes("/")) {
      if (reference.digest !== undefined && reference.digest !== digest) {
        throw new ServiceError(
          "FailedPrecondition",
          `manifest verification failed for digest ${reference.digest}: the registry sent ${digest}`,
        );
      }
      return { descriptor: { mediaType, digest, size }, fetcher };
    }
    // No HEAD, no digest in it, or a refusal whose reason only a body can tell.
    const answer = await fetcher.document(path, signal);
    return {
      descriptor: {
        mediaType: answer.mediaType,
        digest: reference.digest ?? sha256(answer.bytes),
        size: answer.bytes.length,
      },
      fetcher,
    };
  }
}

/** Blobs and manifests of the reference's repository, by digest. */
export const repositoryFetcher = (reference: Reference, options: ConnectionOptions = {}): Fetcher =>
  new RegistryFetcher(new Connection(reference, options), reference);

class RegistryFetcher implements Fetcher {
  constructor(
    private readonly connection: Connection,
    private readonly reference: Reference,
  ) {}

  async manifest(digest: string, signal?: AbortSignal): Promise<{ mediaType: string; bytes: Uint8Array }> {
    return await this.document(`/v2/${this.reference.path}/manifests/${digest}`, signal);
  }

  async document(path: string, signal?: AbortSignal): Promise<{ mediaType: string; bytes: Uint8Array }> {
    const response = await this.connection.request("GET", path, { headers: { accept: ACCEPT }, signal });
    if (!response.ok)
      throw refusal(response.status, await limitedText(response), this.reference, response.url);
    const bytes = await readLimited(response, MANIFEST_LIMIT);
    if (!bytes) {
      throw new ServiceError(
        "ResourceExhausted",
        `manifest for ${familiarString(this.reference)} is larger than ${MANIFEST_LIMIT} bytes: refused`,
      );
    }
    return { mediaType: mediaTypeOf(response), bytes };
  }

  async blob(digest: string, offset: number, signal?: AbortSignal): Promise<BlobStream> {
    const path = `/v2/${this.reference.path}/blobs/${digest}`;
    const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const response = await this.connection.request("GET", path, { headers, signal });
    if (!response.ok)
      throw refusal(response.status, await limitedText(response), this.reference, response.url);
    let start = 0;
    if (response.status === 206) {
      start = Number(/^bytes ([0-9]+)-/.exec(response.headers.get("content-range") ?? "")?.[1] ?? Number.NaN);
      if (start !== offset) {
        await response.body?.cancel();
        throw new ServiceError(
          "Unavailable",
          `${response.url}: asked for bytes from ${offset}, got a range from ${start}`,
        );
      }
    }
    return { offset: start, bytes: bodyOf(response) };
  }
}

/** A body's chunks; a connection that breaks or stalls ends them with a ServiceError Unavailable. */
async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  let finished = false;
  let stalled = false;
  let asked: number | undefined;
  // One clock for the whole body: a timer for each chunk took longer than the chunk. It ends the read by giving the body up; a race
  // against one promise for all chunks would hold every one of them.
  const clock = setInterval(() => {
    if (asked === undefined || performance.now() - asked < STALL_MS) return;
    stalled = true;
    void reader.cancel().catch(() => {});
  }, STALL_MS / 10);
  try {
    for (;;) {
      let result: { done: boolean; value?: Uint8Array };
      try {
        asked = performance.now();
        result = await reader.read();
        asked = undefined;
        if (stalled) throw new Error("no data for 20 seconds");
      } catch (error) {
        if (error instanceof Error && error.name === "AbortError") throw error;
        throw await connectionFailure(error, "GET", response.url);
      }
      if (result.done) break;
      if (result.value) yield result.value;
    }
    finished = true;
  } finally {
    clearInterval(clock);
    if (!finished) void reader.cancel().catch(() => {});
  }
}

/** The body if it is not longer than `limit`. */
async function readLimited(response: Response, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyOf(response)) {
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The start of an answer that is an error. */
export const limitedText = async (response: Response): Promise<string> =>
  Buffer.from((await readLimited(response, 1 << 20)) ?? "").toString("utf8");
