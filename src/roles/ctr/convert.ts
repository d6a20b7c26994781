// An image in another format: OCI media types for Docker's, plain layers for compressed ones. New documents, a new target.
import { createGunzip, createZstdDecompress } from "node:zlib";
import { Index, isIndex, layerCompression, Manifest, MediaType } from "../../spec/oci/image.ts";
import { matchPlatform, type PlatformSpec } from "../../spec/oci/platform.ts";
import { indexLabels, manifestLabels, UNCOMPRESSED } from "../../wire/containerd/labels.ts";
import {
  type ContentStore,
  type Descriptor,
  type Labels,
  ServiceError,
} from "../../wire/containerd/services.ts";
import { document } from "./image-content.ts";

export interface Conversion {
  /** Docker's media types become OCI's. */
  oci: boolean;
  /** Compressed layers become plain tars. */
  uncompress: boolean;
  /** Only the manifest for this platform; all of an index's without it. */
  platform?: PlatformSpec;
}

type AnyDescriptor = Manifest["config"] | Index["manifests"][number];

const OCI: Readonly<Record<string, string>> = {
  [MediaType.dockerManifestList]: MediaType.index,
  [MediaType.dockerManifest]: MediaType.manifest,
  [MediaType.dockerConfig]: MediaType.config,
  [MediaType.dockerLayer]: MediaType.layer,
  [MediaType.dockerLayerGzip]: MediaType.layerGzip,
  [MediaType.dockerLayerZstd]: MediaType.layerZstd,
  [MediaType.dockerForeignLayerGzip]: MediaType.nondistributableLayerGzip,
};

const sha256 = (bytes: Uint8Array) => `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

export class Converter {
  constructor(
    private readonly content: ContentStore,
    private readonly ns: string,
    private readonly how: Conversion,
  ) {}

  /** The converted image's target; the given one when nothing about it changes. Throws ServiceError. */
  async target(from: Descriptor): Promise<Descriptor> {
    return isIndex(from.mediaType) ? await this.#index(from) : await this.#manifest(from);
  }

  #type(mediaType: string): string {
    return (this.how.oci && OCI[mediaType]) || mediaType;
  }

  async #index(from: Descriptor): Promise<Descriptor> {
    const index = Index.parse(await document(this.content, this.ns, from));
    const { platform } = this.how;
    const chosen = platform ? matchPlatform(platform, index.manifests).slice(0, 1) : index.manifests;
    if (chosen.length === 0) {
      throw new ServiceError("NotFound", `no match for platform in manifest ${from.digest}: not found`);
    }
    // One platform out of many is an image of its own.
    if (platform) return await this.target(plain(chosen[0]!));
    const manifests: Index["manifests"] = [];
    for (const entry of chosen) {
      const { mediaType, digest, size } = await this.target(plain(entry));
      manifests.push({ ...entry, mediaType, digest, size });
    }
    const mediaType = this.#type(from.mediaType);
    const labels = indexLabels({ ...index, manifests });
    return await this.#store(from, { ...index, mediaType, manifests }, mediaType, labels);
  }

  async #manifest(from: Descriptor): Promise<Descriptor> {
    const manifest = Manifest.parse(await document(this.content, this.ns, from));
    const layers: Manifest["layers"] = [];
    for (const layer of manifest.layers) layers.push(await this.#layer(layer));
    const config = { ...manifest.config, mediaType: this.#type(manifest.config.mediaType) };
    const mediaType = this.#type(from.mediaType);
    const labels = manifestLabels({ ...manifest, config, layers });
    return await this.#store(from, { ...manifest, mediaType, config, layers }, mediaType, labels);
  }

  async #layer<T extends AnyDescriptor>(layer: T): Promise<T> {
    const compression = layerCompression(layer.mediaType);
    if (!this.how.uncompress || compression === undefined || compression === "none") {
      return { ...layer, mediaType: this.#type(layer.mediaType) };
    }
    const bare = layer.mediaType.replace(/[.+](gzip|zstd)$/, "");
    const { digest, size } = await this.#uncompressed(layer, compression);
    return { ...layer, mediaType: this.#type(bare), digest, size };
  }

  /** The layer's tar as a blob of its own. */
  async #uncompressed(
    layer: AnyDescriptor,
    compression: "gzip" | "zstd",
  ): Promise<{ digest: string; size: number }> {
    const { content, ns } = this;
    const writer = await content.writer(ns, `convert-uncompress-from-${layer.digest}`);
    try {
      if (writer.status().offset > 0) await writer.truncate(0);
      const inflate = compression === "gzip" ? createGunzip() : createZstdDecompress();
      const feeding = (async () => {
        for await (const chunk of content.read(ns, layer.digest)) {
          if (!inflate.write(chunk)) await new Promise((resolve) => inflate.once("drain", resolve));
        }
        inflate.end();
      })();
      feeding.catch((error) => inflate.destroy(error));
      const hash = new Bun.CryptoHasher("sha256");
      for await (const chunk of inflate as AsyncIterable<Uint8Array>) {
        hash.update(chunk);
        await writer.write(chunk);
      }
      await feeding;
      const { offset: size } = writer.status();
      const digest = `sha256:${hash.digest("hex")}`;
      await writer.commit(size, digest, { [UNCOMPRESSED]: digest }).catch(unlessThere);
      return { digest, size };
    } finally {
      await writer.close();
    }
  }

  /** Stores a changed document; the old one stays the target when its bytes are the same. */
  async #store(from: Descriptor, value: object, mediaType: string, labels: Labels): Promise<Descriptor> {
    const old = await document(this.content, this.ns, from);
    if (JSON.stringify(old) === JSON.stringify(value)) return from;
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    const digest = sha256(bytes);
    const writer = await this.content
      .writer(this.ns, `convert-${digest}`, { total: bytes.length, expected: digest })
      .catch(unlessThere);
    try {
      await writer?.write(bytes);
      await writer?.commit(bytes.length, digest, labels).catch(unlessThere);
    } finally {
      await writer?.close();
    }
    return { mediaType, digest, size: bytes.length };
  }
}

const plain = ({ mediaType, digest, size }: AnyDescriptor): Descriptor => ({ mediaType, digest, size });

function unlessThere(error: unknown): undefined {
  if (!(error instanceof ServiceError && error.code === "AlreadyExists")) throw error;
  return undefined;
}
