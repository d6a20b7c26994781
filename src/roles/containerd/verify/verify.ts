// One root: its records, its blobs, its layers; and what can be mended of them.
import { Database } from "bun:sqlite";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { showName } from "../../../../ffi/tree.ts";
import { check, type Damage } from "../../../store/tree/check.ts";
import { readTable, type Table, TableError } from "../../../store/tree/table.ts";
import type { Labels } from "../../../wire/containerd/services.ts";
import type { ConnectionOptions } from "../../../wire/distribution/connection.ts";
import { BlobFiles } from "../content/blobs.ts";
import { SnapshotDirectories } from "../snapshots/directories.ts";
import { SNAPSHOTTER } from "../snapshots/rows.ts";
import { type LayerHeader, tableOf } from "../snapshots/table.ts";
import { bringBlob, isWhole } from "./blob.ts";
import { repairLayer } from "./repair.ts";

export interface VerifyOptions {
  repair: boolean;
  registry: ConnectionOptions;
  say: (line: string) => void;
}

interface Snapshot {
  id: number;
  name: string;
  parent: number | null;
}

interface Blob {
  digest: string;
  size: number;
  labels: string;
}

/** The records, read without a change to them and beside a daemon that has them open. */
function records(root: string): { snapshots: Snapshot[]; blobs: Blob[] } {
  const path = join(root, "io.containerd.metadata.v1.sqlite", "meta.db");
  if (!existsSync(path)) throw new Error(`${root} is no root of containerd: ${path} is not there`);
  const db = new Database(path, { readonly: true });
  try {
    return {
      snapshots: db
        .query<Snapshot, [string]>(
          "SELECT id, name, parent FROM snapshot WHERE snapshotter = ? AND kind = 'Committed' ORDER BY id",
        )
        .all(SNAPSHOTTER),
      blobs: db
        .query<Blob, []>("SELECT digest, size, labels FROM content GROUP BY digest ORDER BY digest")
        .all(),
    };
  } finally {
    db.close();
  }
}

const sources = (labels: Labels): Labels =>
  Object.fromEntries(
    Object.entries(labels).filter(([name]) => name.startsWith("containerd.io/distribution.source.")),
  );

const words = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** How many lines of damage are told of each layer. */
const TOLD = 20;

/** Returns how many blobs and layers are damaged still. Throws when the root cannot be read. */
export async function verify(root: string, options: VerifyOptions): Promise<number> {
  const { repair, registry, say } = options;
  const { snapshots, blobs } = records(root);
  const files = new BlobFiles(join(root, "io.containerd.content.v1.content"));
  const directories = new SnapshotDirectories(join(root, "io.containerd.snapshotter.v1.overlayfs"));
  let [left, repaired, rows, unknown] = [0, 0, 0, 0];

  for (const { digest, size, labels } of blobs) {
    const why = await isWhole(files.path(digest), digest, size);
    if (why === undefined) continue;
    say(`blob ${digest}: ${why}`);
    left++;
    if (!repair) continue;
    try {
      await bringBlob(files, { digest, size, mediaType: "" }, sources(JSON.parse(labels)), registry);
      say(`blob ${digest}: repaired`);
      left--;
      repaired++;
    } catch (error) {
      say(`blob ${digest}: not repaired: ${words(error)}`);
    }
  }

  for (const { id, name, parent } of snapshots) {
    const directory = directories.upper(id);
    let table: Table<LayerHeader> | undefined;
    try {
      table = readTable<LayerHeader>(tableOf(directory));
    } catch (error) {
      if (!(error instanceof TableError)) throw error;
      say(`layer ${name}: ${error.message}: remove its images and pull them again`);
      left++;
      continue;
    }
    if (!table) {
      unknown++;
      continue;
    }
    rows += table.rows.size;
    const damage = damageOf(directory, table);
    if (damage.length === 0) continue;
    for (const one of damage.slice(0, TOLD)) say(`layer ${name}: ${showName(one.path)}: ${one.what}`);
    if (damage.length > TOLD) say(`layer ${name}: and ${damage.length - TOLD} more`);
    left++;
    if (!repair) continue;
    try {
      await repairLayer({ files, registry, directory, table, based: parent !== null });
      say(`layer ${name}: repaired${inUse(directory) ? "; restart the containers that use it" : ""}`);
      left--;
      repaired++;
    } catch (error) {
      say(`layer ${name}: not repaired: ${words(error)}`);
    }
  }
  const made =
    unknown === 0 ? "" : `; ${unknown} layers were not unpacked by a pull or import and have no table`;
  const outcome = left + repaired === 0 ? "all is well" : `${left} damaged, ${repaired} repaired`;
  say(
    `${root}: ${blobs.length} blobs and ${snapshots.length - unknown} layers with ${rows} files verified: ${outcome}${made}`,
  );
  return left;
}

function damageOf(directory: string, table: Table<LayerHeader>): Damage[] {
  if (!existsSync(directory)) {
    return [{ path: "", what: "the directory is missing", row: undefined, content: true }];
  }
  return [...check(directory, table)];
}

/** Whether an overlay that is mounted here has the directory among its layers. */
function inUse(directory: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.includes(" - overlay ") && line.split(/[=:, ]/).includes(directory));
}
