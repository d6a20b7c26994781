// Layers: three are downloaded at a time, and unpacked one on another in order, each into a snapshot named by its chain ID.
// A layer whose parent is ready is unpacked while it comes in; the others go through the content store.
import { chainIds, layerCompression, type Manifest } from "../../../spec/oci/image.ts";
import { labelPaths, SNAPSHOT_REF, UNCOMPRESSED } from "../../../wire/containerd/labels.ts";
import { type Descriptor, type Mount, ServiceError } from "../../../wire/containerd/services.ts";
import { fetchBlob } from "./blob.ts";
import { hasCode } from "./codes.ts";
import { Slots } from "./keyed-lock.ts";
import { Pipe } from "./pipe.ts";
import type { Session } from "./session.ts";

/** How many layers are downloaded at a time: Docker's max-concurrent-downloads. */
const CONCURRENCY = 3;

interface Layer {
  descriptor: Descriptor;
  diffId: string;
  chainId: string;
  /** Chain ID of the layer below, "" for the first. */
  parent: string;
}

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
  const missing = layers.slice(done);
  const unpacking = new Unpacking({ ...session, signal }, missing[0]?.parent ?? "");
  const tasks = missing.map((layer) =>
    slots.run(async () => {
      signal.throwIfAborted();
      return await bringLayer({ ...session, signal }, layer, unpack ? unpacking : undefined);
    }),
  );
  const whole = tasks.map(async (task, i) => {
    try {
      const unpacked = await task;
      if (unpack && !unpacked) {
        await unpacking.reached(missing[i]!.parent);
        await unpacking.fromStore(missing[i]!);
      }
    } catch (error) {
      if (!stop.signal.aborted) stop.abort(error);
      throw error;
    }
  });
  await Promise.allSettled(whole);
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

async function holdSnapshot(session: Session, chainId: string): Promise<boolean> {
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

/** Downloads one layer; resolves to whether it was unpacked on the way. */
async function bringLayer(
  session: Session,
  layer: Layer,
  unpacking: Unpacking | undefined,
): Promise<boolean> {
  const { descriptor } = layer;
  const { digest, mediaType } = descriptor;
  if (unpacking?.isReady(layer.parent) && session.applyStream) {
    return await unpacking.whileDownloading(layer);
  }
  await fetchBlob(session, descriptor, session.source);
  session.report({ event: "downloaded", id: digest, digest, mediaType });
  return false;
}

class Unpacking {
  /** Chain ID of the highest layer that is unpacked. */
  #top: string;
  readonly #waiting = new Map<string, () => void>();

  constructor(
    private readonly session: Session,
    top: string,
  ) {
    this.#top = top;
  }

  isReady(chainId: string): boolean {
    return this.#top === chainId;
  }

  /** Resolves when the layer of that chain ID is unpacked. */
  async reached(chainId: string): Promise<void> {
    const { signal } = this.session;
    signal.throwIfAborted();
    if (this.isReady(chainId)) return;
    await new Promise<void>((resolve, reject) => {
      const abort = () => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.set(chainId, () => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
    });
  }

  #reach(chainId: string): void {
    this.#top = chainId;
    this.#waiting.get(chainId)?.();
    this.#waiting.delete(chainId);
  }

  /** Unpacks a layer that is in the content store. */
  async fromStore(layer: Layer): Promise<void> {
    await this.#snapshot(layer, (mounts) => this.#apply(layer, mounts));
  }

  async #apply({ descriptor }: Layer, mounts: Mount[]): Promise<Descriptor> {
    const { ns, services, applyStream, signal, report } = this.session;
    const { digest, size, mediaType } = descriptor;
    report({ event: "extracting", id: digest, digest, mediaType, progress: 0, total: size });
    if (!applyStream) return await services.diff.apply(ns, descriptor, mounts);
    const counted = (async function* () {
      let progress = 0;
      for await (const chunk of services.content.read(ns, digest)) {
        yield chunk;
        progress += chunk.length;
        report({ event: "extracting", id: digest, digest, mediaType, progress, total: size });
      }
    })();
    return await applyStream(descriptor, counted, mounts, signal);
  }

  /** Unpacks a layer as its bytes come in. Resolves to true. */
  async whileDownloading(layer: Layer): Promise<boolean> {
    const { session } = this;
    const { descriptor } = layer;
    const { digest, mediaType } = descriptor;
    await this.#snapshot(layer, async (mounts) => {
      const pipe = new Pipe();
      let applied: Promise<Descriptor> | undefined;
      let refused: { error: unknown } | undefined;
      try {
        await fetchBlob(session, descriptor, session.source, {
          async begin() {
            applied = session.applyStream!(descriptor, pipe, mounts, session.signal);
            applied.catch((error) => {
              refused = { error };
            });
          },
          async write(chunk) {
            await pipe.write(chunk);
            // A layer that cannot be unpacked need not be downloaded to its end.
            if (refused) throw refused.error;
          },
        });
      } catch (error) {
        pipe.fail(error);
        await applied?.catch(() => {});
        throw error;
      }
      // Only now, with the blob verified, may the layer end.
      pipe.end();
      session.report({ event: "downloaded", id: digest, digest, mediaType });
      session.report({
        event: "extracting",
        id: digest,
        digest,
        mediaType,
        progress: descriptor.size,
        total: descriptor.size,
      });
      return applied ? await applied : await this.#apply(layer, mounts);
    });
    return true;
  }

  /** Makes the layer's snapshot, once for all pulls: prepare, `apply`, verify the diff ID, commit. Nothing is left of a failure. */
  async #snapshot(layer: Layer, apply: (mounts: Mount[]) => Promise<Descriptor>): Promise<void> {
    const { session } = this;
    const { ns, snapshotter, signal, report } = session;
    const { descriptor, chainId, diffId, parent } = layer;
    const { digest, mediaType } = descriptor;
    await session.locks.run(`snapshot ${ns} ${session.snapshotterName} ${chainId}`, signal, async () => {
      if (!(await holdSnapshot(session, chainId))) {
        const key = `extract-${process.pid}-${crypto.randomUUID().slice(0, 8)} ${chainId}`;
        await session.services.leases.addResource(ns, session.lease, {
          type: `snapshots/${session.snapshotterName}`,
          id: key,
        });
        const mounts = await snapshotter.prepare(ns, key, parent, { [SNAPSHOT_REF]: chainId });
        try {
          const { digest: found } = await apply(mounts);
          signal.throwIfAborted();
          if (found !== diffId) {
            throw new ServiceError(
              "DataLoss",
              `layer ${digest} does not match the image's configuration: its diff ID is ${found}, expected ${diffId}`,
            );
          }
          await session.services.leases.addResource(ns, session.lease, {
            type: `snapshots/${session.snapshotterName}`,
            id: chainId,
          });
          await snapshotter.commit(ns, chainId, key, { [SNAPSHOT_REF]: chainId });
        } catch (error) {
          await snapshotter.remove(ns, key).catch(() => {});
          if (!hasCode(error, "AlreadyExists")) throw error;
        }
        const labels = { [UNCOMPRESSED]: diffId };
        await session.services.content.update(ns, { digest, labels }, labelPaths(labels)).catch((error) => {
          if (!hasCode(error, "NotFound")) throw error;
        });
      }
      report({ event: "complete", id: digest, digest, mediaType });
    });
    this.#reach(chainId);
  }
}
