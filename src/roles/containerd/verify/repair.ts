// A damaged layer, mended in place: it is unpacked once more aside, and what differs takes the place of the damaged file by a
// rename, for containers may have the layer mounted.
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { O_DIRECTORY, O_NOFOLLOW } from "../../../../ffi/arch/index.ts";
import { AT_FDCWD, O_RDONLY, S_IFDIR } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { syscall } from "../../../../ffi/libc.ts";
import {
  type ByteName,
  changeMode,
  changeOwner,
  makeDirectory,
  makeLink,
  openInside,
  openName,
  removeTree,
  setAttribute,
  setTimes,
  showName,
  statAt,
  toByteName,
} from "../../../../ffi/tree.ts";
import { check, type Damage } from "../../../store/tree/check.ts";
import type { Row, Table } from "../../../store/tree/table.ts";
import type { ConnectionOptions } from "../../../wire/distribution/connection.ts";
import type { BlobFiles } from "../content/blobs.ts";
import { syncFilesystem } from "../snapshots/sync.ts";
import type { LayerHeader } from "../snapshots/table.ts";
import { UnpackPool } from "../unpack/pool.ts";
import { bringBlob, isWhole } from "./blob.ts";

export interface Repair {
  files: BlobFiles;
  registry: ConnectionOptions;
  /** The layer's, …/<number>/fs. */
  directory: string;
  table: Table<LayerHeader>;
  /** Whether the layer stands on another. */
  based: boolean;
}

/** A file put in place may show that another is no longer the same file, and dates its directory: each turn mends that. */
const TURNS = 4;

/** Throws when the layer cannot be had again; then nothing was changed. */
export async function repairLayer(on: Repair): Promise<void> {
  const { directory, table } = on;
  const aside = join(dirname(directory), "repair");
  rmSync(aside, { recursive: true, force: true });
  try {
    await unpackAside(on, aside);
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    for (let turn = 0; ; turn++) {
      const damage = [...check(directory, table)];
      if (damage.length === 0) break;
      if (turn === TURNS)
        throw new Error(`${showName(damage[0]!.path)} cannot be mended: ${damage[0]!.what}`);
      using root = open(directory);
      using fresh = open(aside);
      for (const one of damage) mend(root, fresh, one);
    }
    await syncFilesystem(directory);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

const open = (path: string) => openName(AT_FDCWD, toByteName(path), O_RDONLY | O_DIRECTORY);

async function unpackAside({ files, registry, table, based }: Repair, aside: string): Promise<void> {
  const { layer, diffId, source } = table.header;
  const file = files.path(layer.digest);
  if ((await isWhole(file, layer.digest, layer.size)) !== undefined)
    await bringBlob(files, layer, source, registry);
  mkdirSync(aside, { mode: 0o755 });
  using pool = new UnpackPool();
  const unpacking = pool.begin(file, {
    directory: aside,
    opaque: based ? "trusted.overlay.opaque" : undefined,
  });
  unpacking.grown(layer.size);
  unpacking.end();
  const { digest } = await unpacking.done;
  if (digest !== diffId) throw new Error(`layer ${layer.digest} unpacks to ${digest}, expected ${diffId}`);
}

/** The directory that holds `path`, and its last name. */
function placeOf(root: Fd, path: ByteName): { dir: Fd; name: ByteName } | undefined {
  const slash = path.lastIndexOf("/");
  const dir = openInside(root, slash < 0 ? "" : path.slice(0, slash), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return dir && { dir, name: path.slice(slash + 1) };
}

const TEMPORARY = ".bunker-repair";

function mend(root: Fd, fresh: Fd, { path, row, content }: Damage): void {
  const place = placeOf(root, path);
  if (!place) return; // Its directory went with something that was not of this layer.
  using dir = place.dir;
  const { name } = place;
  if (!row) {
    if (statAt(dir, name)) removeTree(dir, name);
    return;
  }
  if (content) bring(root, fresh, dir, name, row);
  describeAgain(dir, name, row);
}

/** Puts what the row says in the place of what is there. */
function bring(root: Fd, fresh: Fd, dir: Fd, name: ByteName, row: Row): void {
  const directory = row.kind === "directory";
  if (statAt(dir, name)?.type === S_IFDIR) {
    if (directory) return;
    removeTree(dir, name);
  }
  if (directory) {
    if (statAt(dir, name)) removeTree(dir, name);
    makeDirectory(dir, name, 0o755);
    return;
  }
  // Of another name's file: that one stands in its place already, or will after the next turn.
  const from = placeOf(row.same === undefined ? fresh : root, row.same ?? row.path);
  if (!from) return;
  using source = from.dir;
  if (!statAt(source, from.name)) return;
  if (statAt(dir, TEMPORARY)) removeTree(dir, TEMPORARY);
  // A link, so that every name of the file stays there for its own turn.
  if (!makeLink(source, from.name, dir, TEMPORARY))
    throw new Error(`${showName(row.path)}: in the way of itself`);
  rename(dir, TEMPORARY, name);
}

function rename(dir: Fd, from: ByteName, to: ByteName): void {
  const bytes = (name: ByteName) => Buffer.from(`${name}\0`, "latin1");
  syscall("renameat", showName(to), dir.number, bytes(from), dir.number, bytes(to));
  // Two names of one file: rename(2) does nothing then.
  if (statAt(dir, from)) removeTree(dir, from);
}

/** Owner, attributes, mode and times, in this order: a chown clears setuid bits and file capabilities. */
function describeAgain(dir: Fd, name: ByteName, row: Row): void {
  const stat = statAt(dir, name);
  if (!stat) return;
  for (const [attribute, value] of row.implied ? Object.entries(row.attributes ?? {}) : [])
    setAttribute(dir, name, attribute, Buffer.from(value, "hex"));
  if (row.implied) return;
  const [uid = 0, gid = 0] = row.owner.split(":").map(Number);
  changeOwner(dir, name, uid, gid);
  for (const [attribute, value] of Object.entries(row.attributes ?? {}))
    setAttribute(dir, name, attribute, Buffer.from(value, "hex"));
  if (row.kind !== "symlink") changeMode(dir, name, Number.parseInt(row.mode, 8));
  const [seconds = 0, nanoseconds = 0] = row.mtime.split(".").map(Number);
  const time = { seconds, nanoseconds };
  setTimes(dir, name, time, time);
}
