// One layer's snapshot, made once for all pulls: prepare, unpack, verify the diff ID, commit. Nothing is left of a failure.
import { labelPaths, SNAPSHOT_REF, UNCOMPRESSED } from "../../../wire/containerd/labels.ts";
import { type Descriptor, type Mount, ServiceError } from "../../../wire/containerd/services.ts";
import { UNPACKING } from "../snapshots/aside.ts";
import { hasCode } from "./codes.ts";
import type { Session } from "./session.ts";

export interface Layer {
  descriptor: Descriptor;
  diffId: string;
  chainId: string;
  /** Chain ID of the layer below, "" for the first. */
  parent: string;
}

/** Whether the chain's snapshot is there; then the lease holds it. */
export async function holdSnapshot(session: Session, chainId: string): Promise<boolean> {
  const { ns, snapshotter, snapshotterName: name } = session;
  // Looked at first: leasing what is not there would leave a stray line in the lease. And after, for the collector is quick.
  if (!(await exists())) return false;
  await session.services.leases.addResource(ns, session.lease, { type: `snapshots/${name}`, id: chainId });
  return await exists();

  async function exists(): Promise<boolean> {
    try {
      return (await snapshotter.stat(ns, chainId)).kind === "Committed";
    } catch (error) {
      if (hasCode(error, "NotFound")) return false;
      throw error;
    }
  }
}

export interface Making<T extends { digest: string }> {
  /** What the snapshot is prepared on. */
  on: string;
  unpack(mounts: Mount[]): Promise<T>;
  commit(key: string, unpacked: T): Promise<void>;
}

/** Makes the layer's snapshot unless it is there. */
export async function makeSnapshot<T extends { digest: string }>(
  session: Session,
  layer: Layer,
  { on, unpack, commit }: Making<T>,
): Promise<void> {
  const { ns, services, snapshotter, snapshotterName, signal, report } = session;
  const { descriptor, chainId, diffId } = layer;
  const { digest, mediaType } = descriptor;
  await session.locks.run(`snapshot ${ns} ${snapshotterName} ${chainId}`, signal, async () => {
    if (!(await holdSnapshot(session, chainId))) {
      const key = `extract-${process.pid}-${crypto.randomUUID().slice(0, 8)} ${chainId}`;
      const labels = { [SNAPSHOT_REF]: chainId, ...(session.unpackHere ? UNPACKING : {}) };
      try {
        // The lease in force holds it from its first instant. Another process may have made what the label names meanwhile.
        const mounts = await snapshotter.prepare(ns, key, on, labels);
        const unpacked = await unpack(mounts);
        signal.throwIfAborted();
        if (unpacked.digest !== diffId) {
          throw new ServiceError(
            "DataLoss",
            `layer ${digest} does not match the image's configuration: its diff ID is ${unpacked.digest}, expected ${diffId}`,
          );
        }
        await commit(key, unpacked);
      } catch (error) {
        await snapshotter.remove(ns, key).catch(() => {});
        if (!hasCode(error, "AlreadyExists") || !(await holdSnapshot(session, chainId))) throw error;
      }
      const found = { [UNCOMPRESSED]: diffId };
      await services.content.update(ns, { digest, labels: found }, labelPaths(found)).catch((error) => {
        if (!hasCode(error, "NotFound")) throw error;
      });
    }
    report({ event: "complete", id: digest, digest, mediaType });
  });
}
