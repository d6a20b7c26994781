// Where images go to: a registry that is written to. distribution-spec "Push".
import type { Descriptor } from "../containerd/services.ts";
import { ServiceError } from "../containerd/services.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { refusal } from "./failure.ts";
import type { Reference } from "./reference.ts";
import { ACCEPT, limitedText } from "./registry.ts";
import { type BlobSource, Upload, type Uploaded } from "./upload.ts";

/** The writing side of one repository. Throws ServiceError in Docker's words. */
export interface Pusher {
  hasBlob(digest: string, signal?: AbortSignal): Promise<boolean>;
  /** The digest that a tag or digest stands for in the registry. */
  digestOf(name: string, signal?: AbortSignal): Promise<string | undefined>;
  /** Brings a blob there: mounted from one of the repositories `from`, or uploaded. */
  blob(
    descriptor: Descriptor,
    source: BlobSource,
    from: readonly string[],
    signal?: AbortSignal,
  ): Promise<Uploaded>;
  /** Stores a manifest or index under a tag or its digest. */
  manifest(name: string, mediaType: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
}

export class RegistryPusher implements Pusher {
  readonly #connection: Connection;

  /** `from`: the repositories that blobs may be mounted from; the token must cover them. */
  constructor(
    private readonly reference: Reference,
    private readonly options: ConnectionOptions,
    from: readonly string[] = [],
  ) {
    this.#connection = new Connection(reference, {
      ...options,
      access: { actions: "pull,push", alsoPull: from },
    });
  }

  async hasBlob(digest: string, signal?: AbortSignal): Promise<boolean> {
    const path = `/v2/${this.reference.path}/blobs/${digest}`;
    const response = await this.#connection.request("HEAD", path, { signal });
    await response.body?.cancel();
    if (response.status === 401 || response.status === 403) throw await this.#refused(response);
    return response.ok;
  }

  async digestOf(name: string, signal?: AbortSignal): Promise<string | undefined> {
    const path = `/v2/${this.reference.path}/manifests/${name}`;
    const response = await this.#connection.request("HEAD", path, { headers: { accept: ACCEPT }, signal });
    await response.body?.cancel();
    if (response.status === 401 || response.status === 403) throw await this.#refused(response);
    if (!response.ok) return undefined;
    return response.headers.get("docker-content-digest") ?? (name.includes(":") ? name : undefined);
  }

  async blob(
    descriptor: Descriptor,
    source: BlobSource,
    from: readonly string[],
    signal?: AbortSignal,
  ): Promise<Uploaded> {
    const upload = new Upload(this.#connection, this.reference, descriptor, source, this.options.retry);
    return await upload.run(from, signal);
  }

  async manifest(name: string, mediaType: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const path = `/v2/${this.reference.path}/manifests/${name}`;
    const headers = { "content-type": mediaType };
    const response = await this.#connection.request("PUT", path, { headers, body: bytes, signal });
    if (!response.ok) throw await this.#refused(response);
    await response.body?.cancel();
    const stored = response.headers.get("docker-content-digest");
    const own = `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
    if (stored?.startsWith("sha256:") && stored !== own) {
      throw new ServiceError("DataLoss", `the registry stored manifest ${own} as ${stored}`);
    }
  }

  async #refused(response: Response): Promise<ServiceError> {
    return refusal(response.status, await limitedText(response), this.reference, response.url, "push");
  }
}
