// Layers unpacked here, while they come in and side by side: each by a thread of its own into a directory of its own, and put one
// on another when they are done.
import { SNAPSHOT_REF } from "../../../wire/containerd/labels.ts";
import type { Descriptor, Mount } from "../../../wire/containerd/services.ts";
import { fromExtraction } from "../diff/index.ts";
import { targetOf } from "../diff/target.ts";
import type { AsideSnapshotter } from "../snapshots/aside.ts";
import { type LayerHeader, tableOf } from "../snapshots/table.ts";
import type { Unpacked, Unpacking, UnpackPool } from "../unpack/pool.ts";
import { fetchBlob } from "./blob.ts";
import type { Slots } from "./keyed-lock.ts";
import type { Session } from "./session.ts";
import { type Layer, makeSnapshot } from "./snapshot.ts";

/** How often unpacking that goes on after the download is told of. */
const INTERVAL_MS = 100;

export interface Workshop {
  session: Session;
  snapshotter: AsideSnapshotter;
  pool: UnpackPool;
  /** For downloads. */
  slots: Slots;
}

/** Brings a layer in and makes its snapshot. `below` resolves when its parent is committed. */
export async function bringAside(on: Workshop, layer: Layer, below: Promise<unknown>): Promise<void> {
  const { session, snapshotter } = on;
  const { ns } = session;
  await makeSnapshot(session, layer, {
    on: "",
    unpack: async (mounts) => {
      const unpacked = await downloadAndUnpack(on, layer, mounts);
      // Here, and not once for each commit below: layers that are ready at the same time share a sync.
      if (unpacked.implied.length === 0) await snapshotter.sync();
      return unpacked;
    },
    async commit(key, { implied }) {
      await below;
      const labels = { [SNAPSHOT_REF]: layer.chainId };
      await snapshotter.commitOnto(ns, layer.chainId, key, { parent: layer.parent, implied }, labels);
    },
  });
}

async function downloadAndUnpack(on: Workshop, layer: Layer, mounts: Mount[]): Promise<Unpacked> {
  const { session, pool, slots } = on;
  const { signal, report } = session;
  const { descriptor, parent } = layer;
  const { digest, mediaType } = descriptor;
  const { directory } = targetOf(mounts);
  const header: LayerHeader = { layer: descriptor, diffId: layer.diffId, source: session.source };
  const place = {
    directory,
    opaque: parent === "" ? undefined : "trusted.overlay.opaque",
    table: { file: tableOf(directory), header },
  };
  let unpacking: Unpacking | undefined;
  let refused: { error: unknown } | undefined;
  const begin = (file: string) => {
    unpacking = pool.begin(file, place);
    unpacking.done.catch((error) => {
      refused = { error };
    });
  };
  const abort = () => unpacking?.abort();
  signal.addEventListener("abort", abort);
  try {
    await slots.run(async () => {
      signal.throwIfAborted();
      await fetchBlob(session, descriptor, session.source, {
        begin,
        grown(size) {
          // A layer that cannot be unpacked need not be downloaded to its end.
          if (refused) throw refused.error;
          unpacking?.grown(size);
        },
      });
    });
    if (unpacking === undefined) begin(session.services.content.file!(digest));
    // Only now, with the blob verified, may the layer end.
    unpacking!.grown(descriptor.size);
    unpacking!.end();
    report({ event: "downloaded", id: digest, digest, mediaType });
    return await told(session, descriptor, unpacking!);
  } catch (error) {
    unpacking?.abort();
    await unpacking?.done.catch(() => {});
    signal.throwIfAborted();
    throw refused && error === refused.error ? fromExtraction(error, descriptor) : error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Tells how far it is until it is done. */
async function told(session: Session, descriptor: Descriptor, unpacking: Unpacking): Promise<Unpacked> {
  const { digest, mediaType, size: total } = descriptor;
  const tell = () =>
    session.report({ event: "extracting", id: digest, digest, mediaType, progress: unpacking.read(), total });
  tell();
  const timer = setInterval(tell, INTERVAL_MS);
  try {
    return await unpacking.done;
  } finally {
    clearInterval(timer);
    tell();
  }
}
