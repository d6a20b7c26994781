// New images: layers and documents into the content store, with the labels by which the collector follows them.
import { randomUUID } from "node:crypto";
import { createGzip } from "node:zlib";
import type { DockerImageConfig } from "../../../spec/engine/image.ts";
import { chainIds, layerCompression, type Manifest, MediaType } from "../../../spec/oci/image.ts";
import { CHUNK, through } from "../../../store/tar/through.ts";
import {
  labelPaths,
  manifestLabels,
  SNAPSHOT_REF,
  snapshotLabel,
  UNCOMPRESSED,
} from "../../../wire/containerd/labels.ts";
import { type Descriptor, ServiceError, type Services } from "../../../wire/containerd/services.ts";
import { hold } from "./leased.ts";

export interface WriteGround {
  services: Services;
  namespace: string;
  snapshotter: string;
}

/** A layer that is in the content store. */
export interface StoredLayer {
  descriptor: Descriptor;
  /** Digest of the uncompressed tar. */
  diffId: string;
}

const sha256 = (bytes: Uint8Array): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

const hasCode = (error: unknown, code: ServiceError["code"]): boolean =>
  error instanceof ServiceError && error.code === code;

/** Bytes as a blob; one that is there already gets the labels. */
export async function putBytes(
  { services, namespace }: WriteGround,
  bytes: Uint8Array,
  mediaType: string,
  labels: Record<string, string>,
): Promise<Descriptor> {
  const { content } = services;
  const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length };
  try {
    const writer = await content.writer(namespace, `document-${randomUUID()}`, {
      total: bytes.length,
      expected: descriptor.digest,
    });
    try {
      await writer.write(bytes);
      await writer.commit(bytes.length, descriptor.digest, labels);
    } finally {
      await writer.close().catch(() => {});
    }
  } catch (error) {
    if (!hasCode(error, "AlreadyExists")) throw error;
    await hold(services, namespace, { type: "content", id: descriptor.digest });
    await content.update(namespace, { digest: descriptor.digest, labels }, labelPaths(labels));
  }
  return descriptor;
}

/** A stream as a blob. Throws what the source throws; nothing is left then. */
export async function putBlob(
  { services, namespace }: WriteGround,
  source: AsyncIterable<Uint8Array>,
  mediaType: string,
  labels: () => Record<string, string>,
): Promise<Descriptor> {
  const { content } = services;
  const hash = new Bun.CryptoHasher("sha256");
  let size = 0;
  const ref = `blob-${randomUUID()}`;
  const writer = await content.writer(namespace, ref);
  try {
    for await (const chunk of source) {
      hash.update(chunk);
      size += chunk.length;
      await writer.write(chunk);
    }
    const digest = `sha256:${hash.digest("hex")}`;
    await writer.commit(size, digest, labels()).catch(async (error: unknown) => {
      if (!hasCode(error, "AlreadyExists")) throw error;
      await hold(services, namespace, { type: "content", id: digest });
    });
    return { mediaType, digest, size };
  } catch (error) {
    await writer.close().catch(() => {});
    await content.abort(namespace, ref).catch(() => {});
    throw error;
  } finally {
    await writer.close().catch(() => {});
  }
}

/** Fast rather than small: what is built is run here far more often than it is pushed. */
const GZIP_LEVEL = 3;

/** Writes a layer's tar into the content store, compressed. Throws what the source throws; nothing is left then. */
export async function putLayer(ground: WriteGround, tar: AsyncIterable<Uint8Array>): Promise<StoredLayer> {
  const raw = new Bun.CryptoHasher("sha256");
  const hashed = (async function* () {
    for await (const chunk of tar) {
      raw.update(chunk);
      yield chunk;
    }
  })();
  let diffId = "";
  const gzip = createGzip({ level: GZIP_LEVEL, chunkSize: CHUNK });
  const packed = through(hashed, gzip, (error) => error);
  const descriptor = await putBlob(ground, packed, MediaType.layerGzip, () => {
    diffId = `sha256:${raw.digest("hex")}`;
    return { [UNCOMPRESSED]: diffId };
  });
  return { descriptor, diffId };
}

/** Unpacks a layer onto the snapshot `parent` ("" for none), unless that was done before. Returns the new snapshot's name. */
export async function unpackLayer(
  { services, namespace, snapshotter }: WriteGround,
  { descriptor, diffId }: StoredLayer,
  parent: string,
): Promise<string> {
  const chainId = chainIds(parent === "" ? [diffId] : [parent, diffId]).at(-1)!;
  const snapshots = services.snapshots.snapshotter(snapshotter);
  const there = await snapshots.stat(namespace, chainId).catch((error: unknown) => {
    if (!hasCode(error, "NotFound")) throw error;
    return undefined;
  });
  if (there) {
    await hold(services, namespace, { type: `snapshots/${snapshotter}`, id: chainId });
    return chainId;
  }
  const key = `extract-${randomUUID()} ${chainId}`;
  const mounts = await snapshots.prepare(namespace, key, parent, { [SNAPSHOT_REF]: chainId });
  let committed = false;
  try {
    const applied = await services.diff.apply(namespace, descriptor, mounts);
    if (applied.digest !== diffId) {
      throw new ServiceError(
        "DataLoss",
        `layer ${descriptor.digest} holds ${applied.digest}, the image says ${diffId}`,
      );
    }
    await snapshots.commit(namespace, chainId, key);
    committed = true;
  } catch (error) {
    if (!hasCode(error, "AlreadyExists")) throw error;
  } finally {
    if (!committed) await snapshots.remove(namespace, key).catch(() => {});
  }
  return chainId;
}

const OCI_LAYERS: Readonly<Record<string, string>> = {
  none: MediaType.layer,
  gzip: MediaType.layerGzip,
  zstd: MediaType.layerZstd,
};

/** An image to be stored; its layers are in the content store already. */
export interface NewImage {
  config: DockerImageConfig;
  /** The config's bytes, where its digest (the image's id) is given; else it is written anew. */
  configBytes?: Uint8Array;
  layers: readonly Descriptor[];
  /** A manifest to keep as it is; else one is made. */
  manifest?: { bytes: Uint8Array; document: Manifest };
}

const jsonBytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** An image's config and manifest as blobs. Returns the manifest's descriptor and the config's digest, which is the image id. */
export async function putImage(
  ground: WriteGround,
  { config, configBytes, layers, manifest }: NewImage,
): Promise<{ manifest: Descriptor; id: string }> {
  const chainId = chainIds(config.rootfs.diff_ids).at(-1);
  const snapshot = chainId === undefined ? {} : snapshotLabel(ground.snapshotter, chainId);
  // An OCI manifest has at least one layer; Docker's may have none.
  const oci = layers.length > 0;
  const type = manifest?.document.config.mediaType ?? (oci ? MediaType.config : MediaType.dockerConfig);
  const stored = await putBytes(ground, configBytes ?? jsonBytes(config), type, snapshot);
  const document: Manifest = manifest?.document ?? {
    schemaVersion: 2,
    mediaType: oci ? MediaType.manifest : MediaType.dockerManifest,
    config: stored,
    // The same bytes under either name; one manifest keeps to one family.
    layers: layers.map(({ mediaType, digest, size }) => ({
      mediaType: OCI_LAYERS[layerCompression(mediaType) ?? ""] ?? mediaType,
      digest,
      size,
    })),
  };
  const bytes = manifest?.bytes ?? jsonBytes(document);
  const target = await putBytes(
    ground,
    bytes,
    document.mediaType ?? MediaType.manifest,
    manifestLabels(document),
  );
  return { manifest: target, id: stored.digest };
}
