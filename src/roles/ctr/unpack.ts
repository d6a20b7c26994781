// An image's layers into snapshots, through any containerd's own services: what `images mount` and `snapshots unpack` need.
import { randomUUID } from "node:crypto";
import { chainIds } from "../../spec/oci/image.ts";
import { labelPaths, SNAPSHOT_REF, snapshotLabel, UNCOMPRESSED } from "../../wire/containerd/labels.ts";
import { withLease } from "../../wire/containerd/lease.ts";
import {
  type Descriptor,
  ServiceError,
  type Services,
  type Snapshotter,
} from "../../wire/containerd/services.ts";
import { rfc3339 } from "./format.ts";
import type { ImageContent } from "./image-content.ts";

const LEASE_LIFE = 60 * 60 * 1000;

interface Layer {
  blob: Descriptor;
  diffId: string;
  chainId: string;
  parent: string;
}

async function isThere(snapshotter: Snapshotter, ns: string, key: string): Promise<boolean> {
  return snapshotter.stat(ns, key).then(
    () => true,
    (error) => {
      if (error instanceof ServiceError && error.code === "NotFound") return false;
      throw error;
    },
  );
}

async function unpackLayer(
  { diff, content }: Services,
  snapshotter: Snapshotter,
  ns: string,
  { blob, diffId, chainId, parent }: Layer,
): Promise<void> {
  const key = `extract-${process.pid}-${randomUUID().slice(0, 8)} ${chainId}`;
  const mounts = await snapshotter.prepare(ns, key, parent, { [SNAPSHOT_REF]: chainId });
  try {
    const { digest } = await diff.apply(ns, blob, mounts);
    if (digest !== diffId) {
      throw new ServiceError("DataLoss", `wrong diff id ${digest} calculated on extraction of ${diffId}`);
    }
    await snapshotter.commit(ns, chainId, key, { [SNAPSHOT_REF]: chainId });
  } catch (error) {
    await snapshotter.remove(ns, key).catch(() => {});
    if (!(error instanceof ServiceError && error.code === "AlreadyExists")) throw error;
  }
  const labels = { [UNCOMPRESSED]: diffId };
  await content.update(ns, { digest: blob.digest, labels }, labelPaths(labels));
}

/** Unpacks what is not unpacked yet. Returns the chain ID of the whole ("" without layers). Throws ServiceError. */
export async function unpackImage(
  services: Services,
  ns: string,
  snapshotterName: string,
  { manifest, config, blobs }: Pick<ImageContent, "manifest" | "config" | "blobs">,
): Promise<string> {
  const snapshotter = services.snapshots.snapshotter(snapshotterName);
  const chain = chainIds(config.rootfs.diff_ids);
  const top = chain.at(-1) ?? "";
  if (top === "" || (await isThere(snapshotter, ns, top))) return top;
  const expires = rfc3339(new Date(Date.now() + LEASE_LIFE));
  const lease = await services.leases.create(ns, "", { "containerd.io/gc.expire": expires });
  try {
    await withLease(lease.id, async () => {
      for (const [i, chainId] of chain.entries()) {
        if (await isThere(snapshotter, ns, chainId)) continue;
        const diffId = config.rootfs.diff_ids[i]!;
        await unpackLayer(services, snapshotter, ns, {
          blob: blobs[i + 2]!,
          diffId,
          chainId,
          parent: chain[i - 1] ?? "",
        });
      }
      const labels = snapshotLabel(snapshotterName || "overlayfs", top);
      await services.content.update(ns, { digest: manifest.config.digest, labels }, labelPaths(labels));
    });
  } finally {
    await services.leases.delete(ns, lease.id).catch(() => {});
  }
  return top;
}
