// One run: mark, drop the records in one transaction, then free what they stood for on disk.
import { ContentDeleteSchema, SnapshotRemoveSchema } from "../../../wire/gen/events/store_pb.ts";
import type { BlobFiles } from "../content/blobs.ts";
import type { Ingests } from "../content/ingests.ts";
import type { EventBus } from "../events/bus.ts";
import type { Metadata } from "../metadata/database.ts";
import type { SnapshotDirectories } from "../snapshots/directories.ts";
import { mark } from "./mark.ts";

/** An ingest that no lease holds ends this long after its last byte, as in containerd. */
const INGEST_LIFE = 24 * 60 * 60 * 1000;

export interface Grounds {
  meta: Metadata;
  events: EventBus;
  blobs: BlobFiles;
  ingests: Ingests;
  directories: SnapshotDirectories;
}

/** Collects once (`exact`: the young too); resolves when the disk is free, with the time at which it is worth looking again. */
export async function collect(on: Grounds, exact: boolean): Promise<number | undefined> {
  const { meta, events } = on;
  const now = Date.now();
  const garbage = mark(meta, now, exact);
  if (garbage.content.length + garbage.snapshots.length + garbage.expiredLeases.length > 0) {
    meta.free("collect garbage", () => {
      for (const { ns, id } of garbage.expiredLeases) {
        meta.run("DELETE FROM lease WHERE ns = ? AND id = ?", ns, id);
      }
      // A parent may go before its child: that they are both gone in the end is what counts.
      meta.run("PRAGMA defer_foreign_keys = ON");
      for (const { id } of garbage.snapshots) meta.run("DELETE FROM snapshot WHERE id = ?", id);
      for (const { ns, digest } of garbage.content) {
        meta.run("DELETE FROM content WHERE ns = ? AND digest = ?", ns, digest);
      }
    });
  }
  // Same turn as the transaction: nobody can have begun to use a file in between.
  const known = new Set(
    meta.all<{ digest: string }>("SELECT DISTINCT digest FROM content").map((row) => row.digest),
  );
  for (const digest of on.blobs.list()) if (!known.has(digest)) on.blobs.remove(digest);
  const freed = garbage.snapshots.map(({ id }) => on.directories.remove(id));
  for (const { ns, name, snapshotter } of garbage.snapshots) {
    events.emit(ns, "/snapshot/remove", SnapshotRemoveSchema, { key: name, snapshotter });
  }
  for (const { ns, digest } of garbage.content) {
    events.emit(ns, "/content/delete", ContentDeleteSchema, { digest });
  }
  const nextIngest = on.ingests.sweep(now - INGEST_LIFE, garbage.leasedIngests);
  await Promise.all(freed);
  const times = [garbage.next, nextIngest === undefined ? undefined : nextIngest + INGEST_LIFE].filter(
    (time) => time !== undefined,
  );
  // An expired lease was itself the mark of others: what it held goes in the next run.
  return times.length > 0 ? Math.min(...times) : undefined;
}
