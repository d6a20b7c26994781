// Layers: three are downloaded at a time. Where content and snapshots are this process's own they are unpacked while they come in
// (aside.ts); with a containerd elsewhere, one on another in order, each by its Diff service.
import { chainIds, layerCompression, type Manifest } from "../../../spec/oci/image.ts";
import { SNAPSHOT_REF } from "../../../wire/containerd/labels.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { isAside } from "../snapshots/aside.ts";
import { UnpackPool } from "../unpack/pool.ts";
import { bringAside, type Workshop } from "./aside.ts";
import { fetchBlob } from "./blob.ts";
import { Slots } from "./keyed-lock.ts";
import type { Session } from "./session.ts";
import { holdSnapshot, type Layer, makeSnapshot } from "./snapshot.ts";

/** How many layers are downloaded at a time: Docker's max-concurrent-downloads. */
const CONCURRENCY = 3;

/** Refuses what is no layer before anything is downloaded. */
export function checkLayers(manifest: Manifest): void {
  for (const { mediaType, digest } of manifest.layers) {
    if (layerCompression(mediaType) === undefined) {
      throw new ServiceError(
        "InvalidArgument",
        `unsupported layer media type ${mediaType} (${digest}): this is no container image`,
      );
    }
  }
}

/** Brings all layers in, and unpacks them unless `unpack` is false. Returns the chain ID of the whole ("" without layers). */
export async function bringLayers(
  session: Session,
  manifest: Manifest,
  diffIds: readonly string[],
  unpack: boolean,
): Promise<string> {
  const chain = chainIds(diffIds);
  const layers: Layer[] = manifest.layers.map(({ mediaType, digest, size }, i) => ({
    descriptor: { mediaType, digest, size },
    diffId: diffIds[i]!,
    chainId: chain[i]!,
    parent: chain[i - 1] ?? "",
  }));
  const done = unpack ? await unpackedAlready(session, layers) : 0;
  for (const [i, { descriptor }] of layers.entries()) {
    const { digest, mediaType } = descriptor;
    session.report({ event: i < done ? "exists" : "waiting", id: digest, digest, mediaType });
  }
  // The first failure ends the others: their errors are only its echo.
  const stop = new AbortController();
  const signal = AbortSignal.any([session.signal, stop.signal]);
  const slots = new Slots(CONCURRENCY);
  const { snapshotter } = session;
  const own = { ...session, signal };
  using pool = new UnpackPool();
  const workshop: Workshop | undefined =
    session.unpackHere && isAside(snapshotter) ? { session: own, snapshotter, pool, slots } : undefined;
  let below: Promise<unknown> = Promise.resolve();
  const tasks: Promise<void>[] = [];
  for (const layer of layers.slice(done)) {
    const task =
      unpack && workshop ? bringAside(workshop, layer, below) : bring(own, slots, layer, unpack, below);
    below = task;
    tasks.push(
      task.catch((error) => {
        if (!stop.signal.aborted) stop.abort(error);
      }),
    );
  }
  await Promise.all(tasks);
  session.signal.throwIfAborted();
  if (stop.signal.aborted) throw stop.signal.reason;
  return chain.at(-1) ?? "";
}

/** How many layers from the bottom have their snapshot. The lease holds them from here on. */
async function unpackedAlready(session: Session, layers: readonly Layer[]): Promise<number> {
  for (let count = layers.length; count > 0; count--) {
    if (await holdSnapshot(session, layers[count - 1]!.chainId)) return count;
  }
  return 0;
}

/** Brings one layer into the store, and unpacks it there once `below` resolves. */
async function bring(
  session: Session,
  slots: Slots,
  layer: Layer,
  unpack: boolean,
  below: Promise<unknown>,
): Promise<void> {
  const { ns, services, snapshotter, signal, report } = session;
  const { descriptor, chainId, parent } = layer;
  const { digest, mediaType, size: total } = descriptor;
  await slots.run(async () => {
    signal.throwIfAborted();
    await fetchBlob(session, descriptor, session.source);
    report({ event: "downloaded", id: digest, digest, mediaType });
  });
  if (!unpack) return;
  await below;
  await makeSnapshot(session, layer, {
    on: parent,
    unpack(mounts) {
      report({ event: "extracting", id: digest, digest, mediaType, progress: 0, total });
      return services.diff.apply(ns, descriptor, mounts);
    },
    commit: (key) => snapshotter.commit(ns, chainId, key, { [SNAPSHOT_REF]: chainId }),
  });
}
