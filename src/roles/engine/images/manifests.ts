// `manifests=1`: what an image's name points to, platform by platform, and how much of it is here (moby: image.ManifestSummary).
import type { ManifestSummary } from "../../../spec/engine/image.ts";
import {
  ConfigRootfs,
  chainIds,
  Index,
  isIndex,
  Manifest,
  type Descriptor as SpecDescriptor,
} from "../../../spec/oci/image.ts";
import { hostPlatform } from "../../../spec/oci/platform.ts";
import { type ContentStore, ServiceError } from "../../../wire/containerd/services.ts";
import type { Engine } from "../engine.ts";
import { parseDocument, readDocument } from "./blobs.ts";
import type { StoredImage } from "./store.ts";

const orMissing = async <T>(work: Promise<T>): Promise<T | undefined> => {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ServiceError && error.code === "NotFound") return undefined;
    throw error;
  }
};

interface Ground {
  content: ContentStore;
  namespace: string;
  engine: Pick<Engine, "containers" | "config" | "services">;
}

async function present(
  { content, namespace }: Ground,
  descriptors: readonly SpecDescriptor[],
): Promise<number> {
  let bytes = 0;
  for (const { digest, size } of descriptors) {
    if (await orMissing(content.info(namespace, digest))) bytes += size;
  }
  return bytes;
}

async function unpacked(ground: Ground, diffIds: readonly string[]): Promise<number> {
  const layers = ground.engine.services.snapshots.snapshotter(ground.engine.config.snapshotter);
  let total = 0;
  for (const chainId of chainIds(diffIds)) {
    total += (await orMissing(layers.usage(ground.namespace, chainId)))?.size ?? 0;
  }
  return total;
}

async function summary(ground: Ground, descriptor: SpecDescriptor): Promise<ManifestSummary> {
  const { content, namespace } = ground;
  const attested = descriptor.annotations?.["vnd.docker.reference.digest"];
  const kind =
    descriptor.annotations?.["vnd.docker.reference.type"] === "attestation-manifest"
      ? "attestation"
      : "image";
  const document = await orMissing(readDocument(content, namespace, descriptor.digest));
  const manifest = document === undefined ? undefined : parseDocument(Manifest, document, descriptor.digest);
  const parts = manifest ? [manifest.config, ...manifest.layers] : [];
  const bytes = manifest ? descriptor.size + (await present(ground, parts)) : 0;
  const whole = parts.reduce((sum, { size }) => sum + size, descriptor.size);
  const base = {
    ID: descriptor.digest,
    Descriptor: descriptor,
    Available: manifest !== undefined && bytes === whole,
    Kind: kind,
  } as const;
  if (kind === "attestation") {
    return {
      ...base,
      Size: { Content: bytes, Total: bytes },
      AttestationData: { For: attested ?? "" },
    };
  }
  const raw = manifest && (await orMissing(readDocument(content, namespace, manifest.config.digest)));
  const config = raw === undefined ? undefined : parseDocument(ConfigRootfs, raw, manifest!.config.digest);
  const disk = config ? await unpacked(ground, config.rootfs.diff_ids) : 0;
  const platform = descriptor.platform ?? config ?? hostPlatform;
  return {
    ...base,
    Size: { Content: bytes, Total: bytes + disk },
    ImageData: {
      Platform: {
        architecture: platform.architecture,
        os: platform.os,
        ...(platform.variant ? { variant: platform.variant } : {}),
      },
      Containers: manifest
        ? ground.engine.containers.usingImage(manifest.config.digest).map(({ id }) => id)
        : [],
      Size: { Unpacked: disk },
    },
  };
}

/** The manifests that an image's target leads to, in the index's order. Throws ServiceError. */
export async function imageManifests(
  engine: Pick<Engine, "containers" | "config" | "services" | "namespace">,
  image: StoredImage,
): Promise<ManifestSummary[]> {
  const ground: Ground = { content: engine.services.content, namespace: engine.namespace, engine };
  const record = image.records.find(({ target }) => target.digest === image.targetDigest);
  const target = record?.target;
  if (!target) return [];
  if (!isIndex(target.mediaType)) return [await summary(ground, plain(target))];
  const index = parseDocument(
    Index,
    await readDocument(ground.content, ground.namespace, target.digest),
    target.digest,
  );
  const summaries: ManifestSummary[] = [];
  for (const entry of index.manifests) summaries.push(await summary(ground, entry));
  return summaries;
}

const plain = ({
  mediaType,
  digest,
  size,
}: SpecDescriptor | StoredImage["layers"][number]): SpecDescriptor => ({
  mediaType,
  digest,
  size,
});
