// At boot, directories and records are brought together again: a snapshot exists once its record does.
import { log } from "../../../observe/log.ts";
import type { Labels } from "../../../wire/containerd/services.ts";
import { ROOT_LABEL } from "../gc/labels.ts";
import { type Metadata, touchNamespace } from "../metadata/database.ts";
import { UNPACKING } from "./aside.ts";
import type { SnapshotDirectories } from "./directories.ts";
import { allRows, insertRow } from "./rows.ts";

/** Takes the records of directories that a lost database no longer knows from their copies, parents first. */
function adopt(meta: Metadata, directories: SnapshotDirectories): number {
  const known = new Set(allRows(meta).map(({ id }) => id));
  let adopted = 0;
  const waiting = directories.list().sort((a, b) => a - b);
  // A parent has the lower number nearly always: layers are unpacked side by side.
  for (const id of [...waiting, ...waiting.toReversed()]) {
    const record = known.has(id) ? undefined : directories.read(id);
    if (!record || (record.parent !== null && !known.has(record.parent))) continue;
    if (meta.get("SELECT 1 FROM snapshot WHERE ns = ? AND name = ?", record.ns, record.name)) continue;
    touchNamespace(meta, record.ns);
    // A container's own layer is somebody's data, and the record that named it may be lost: it stays until it is removed.
    const kept: Labels = record.kind === "Active" ? { [ROOT_LABEL]: "adopted" } : {};
    insertRow(meta, { ...record, labels: { ...record.labels, ...kept } }, id);
    known.add(id);
    adopted++;
  }
  return adopted;
}

/** Called once before anything is served. */
export async function recover(meta: Metadata, directories: SnapshotDirectories): Promise<void> {
  if (meta.incomplete) {
    const adopted = meta.change("rebuild snapshot records", () => adopt(meta, directories));
    if (adopted > 0) log("warning", "snapshot records were rebuilt from their directories", { adopted });
  }
  meta.change("drop unfinished unpackings", () => {
    for (const [label, value] of Object.entries(UNPACKING))
      meta.run("DELETE FROM snapshot WHERE kind = 'Active' AND labels ->> ? = ?", `$."${label}"`, value);
  });
  for (const row of allRows(meta)) {
    if (directories.exists(row.id)) continue;
    if (row.kind === "Committed") {
      // Its commit synced it first; so somebody removed it by hand. Children cannot be mounted any more either.
      log("error", "the directory of a committed snapshot is gone; the record is dropped", {
        snapshot: row.name,
        directory: directories.upper(row.id),
      });
      meta.change(`drop snapshot ${row.name}`, () => {
        meta.run(
          `WITH RECURSIVE below (id) AS (VALUES (?) UNION ALL SELECT s.id FROM snapshot s JOIN below b ON s.parent = b.id)
           DELETE FROM snapshot WHERE id IN (SELECT id FROM below)`,
          row.id,
        );
      });
    } else {
      // A power cut between the record and its (empty) directories.
      await directories.remove(row.id);
      directories.make(row.id, {
        ns: row.ns,
        name: row.name,
        parent: row.parent,
        kind: row.kind,
        labels: JSON.parse(row.labels),
        created: row.created,
        updated: row.updated,
      });
      log("warning", "the directory of a snapshot was missing and has been made anew", {
        snapshot: row.name,
      });
    }
  }
  const removed = await directories.sweep(new Set(allRows(meta).map(({ id }) => id)));
  if (removed > 0) log("info", "removed snapshot directories without a record", { removed });
}
