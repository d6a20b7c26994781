// An image's documents out of the content store. Blobs never change, so what was read once is kept.
import type { DockerImageConfig } from "../../../spec/engine/image.ts";
import { chainIds, Index, isIndex, Manifest } from "../../../spec/oci/image.ts";
import { hostPlatform, matchPlatform } from "../../../spec/oci/platform.ts";
import { type ContentStore, type Descriptor, ServiceError } from "../../../wire/containerd/services.ts";

/** What a target descriptor leads to on this machine. */
export interface ImageDocuments {
  manifestDigest: string;
  /** Its media type, as the document itself or what points to it says. */
  manifestType: string;
  configDigest: string;
  config: DockerImageConfig;
  layers: Descriptor[];
  /** Names of the snapshots that the layers are, lowest first. */
  chain: string[];
}

/** Documents larger than this are no manifests or configs (containerd reads at most 8 MiB). */
const LIMIT = 8 << 20;
/** How many targets' documents are kept. */
const KEEP = 512;

export class ImageBlobs {
  readonly #kept = new Map<string, ImageDocuments>();

  constructor(
    private readonly content: ContentStore,
    private readonly namespace: string,
  ) {}

  /** Throws ServiceError NotFound when a document is not here, DataLoss when it cannot be read. */
  async read(target: Descriptor): Promise<ImageDocuments> {
    const kept = this.#kept.get(target.digest);
    if (kept) {
      // The blobs may be gone although the record's target looks the same; one cheap look tells.
      await this.content.info(this.namespace, kept.configDigest);
      return kept;
    }
    const documents = await this.#load(target);
    this.#kept.set(target.digest, documents);
    if (this.#kept.size > KEEP) this.#kept.delete(this.#kept.keys().next().value!);
    return documents;
  }

  async #load(target: Descriptor): Promise<ImageDocuments> {
    if (!isIndex(target.mediaType)) return this.#manifest(target);
    const index = parseDocument(
      Index,
      await readDocument(this.content, this.namespace, target.digest),
      target.digest,
    );
    const own = index.manifests.filter(
      (entry) =>
        entry.platform?.os !== "unknown" &&
        entry.annotations?.["vnd.docker.reference.type"] !== "attestation-manifest",
    );
    const suited = matchPlatform(hostPlatform, own);
    // An image pulled for a foreign platform has only that platform's manifest here.
    const others = own.filter((entry) => !suited.includes(entry));
    let missing: unknown;
    for (const entry of [...suited, ...others]) {
      try {
        return await this.#manifest(entry);
      } catch (error) {
        if (!(error instanceof ServiceError) || error.code !== "NotFound") throw error;
        missing = error;
      }
    }
    throw missing ?? new ServiceError("NotFound", `index ${target.digest} has no usable manifest`);
  }

  async #manifest({ digest, mediaType }: Pick<Descriptor, "digest" | "mediaType">): Promise<ImageDocuments> {
    const manifest = parseDocument(
      Manifest,
      await readDocument(this.content, this.namespace, digest),
      digest,
    );
    const config = (await readDocument(
      this.content,
      this.namespace,
      manifest.config.digest,
    )) as DockerImageConfig;
    if (!Array.isArray(config?.rootfs?.diff_ids)) {
      throw new ServiceError("DataLoss", `image config ${manifest.config.digest} has no rootfs.diff_ids`);
    }
    return {
      manifestDigest: digest,
      manifestType: manifest.mediaType ?? mediaType,
      configDigest: manifest.config.digest,
      config,
      layers: manifest.layers.map(({ mediaType, digest: layer, size }) => ({
        mediaType,
        digest: layer,
        size,
      })),
      chain: chainIds(config.rootfs.diff_ids),
    };
  }
}

/** A JSON document out of the content store. Throws ServiceError NotFound, DataLoss for what is none. */
export async function readDocument(
  content: ContentStore,
  namespace: string,
  digest: string,
): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of content.read(namespace, digest)) {
    size += chunk.length;
    if (size > LIMIT) throw new ServiceError("DataLoss", `${digest} is too large for an image document`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    throw new ServiceError("DataLoss", `${digest} is no JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

interface Parser<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: Error };
}

/** A document as what it must be. ServiceError DataLoss. */
export function parseDocument<T>(schema: Parser<T>, value: unknown, digest: string): T {
  const result = schema.safeParse(value);
  if (!result.success) {
    throw new ServiceError("DataLoss", `${digest} is no image document: ${result.error.message}`);
  }
  return result.data;
}
