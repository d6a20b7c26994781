// GET /containers/{id}/changes: what a container has made of its image's files.
import { S_IFDIR } from "../../../../ffi/constants/fcntl.ts";
import { type ByteName, showName } from "../../../../ffi/tree.ts";
import type { Change as FileChange } from "../../../store/changes/change.ts";
import { layersOf, type TreeMount, withChanges } from "../../../store/changes/trees.ts";
import { containerAction } from "../system/counts.ts";
import type { Container } from "./container.ts";
import { step } from "./mailbox.ts";
import { type Room, snapshotterOf } from "./room.ts";
import { writableLayer } from "./rootfs.ts";

/** 0 modified, 1 added, 2 deleted. */
export interface Change {
  Path: string;
  Kind: 0 | 1 | 2;
}

/** Files and directories that the start of a container makes, not the container. moby: daemon/initlayer */
const OF_THE_START: ReadonlySet<string> = new Set([
  "/.dockerenv",
  "/dev",
  "/dev/console",
  "/dev/pts",
  "/dev/shm",
  "/etc",
  "/etc/hostname",
  "/etc/hosts",
  "/etc/mtab",
  "/etc/resolv.conf",
  "/proc",
  "/sys",
]);

const KINDS: Readonly<Partial<Record<FileChange["kind"], Change["Kind"]>>> = {
  modified: 0,
  added: 1,
  deleted: 2,
};

/** In the order of the paths; null when there is none, as docker says it. */
export async function containerChanges(room: Room, container: Container): Promise<Change[] | null> {
  const mounts = await step("snapshot", snapshotterOf(room).mounts(room.engine.namespace, container.id));
  if (writableLayer(mounts) === undefined) return null;
  const { directories } = layersOf(mounts);
  // A snapshot that is a directory of its own has nothing below it: all that is in it was added.
  const lower = directories.slice(1);
  const below: TreeMount[] =
    lower.length === 0
      ? []
      : lower.length === 1
        ? [{ type: "bind", source: lower[0]!, options: ["bind"] }]
        : [{ type: "overlay", source: "overlay", options: [`lowerdir=${lower.map(escaped).join(":")}`] }];
  const found = await containerAction("changes", () =>
    withChanges(below, mounts, { spellOut: true }, async (changes) => shown(changes)),
  );
  if (found.length === 0) return null;
  return found.sort((a, b) => (a.Path < b.Path ? -1 : 1));
}

const escaped = (path: string): string => path.replace(/[\\:]/g, "\\$&");

// A directory is shown when anything in it changed, whether it is itself another one or not. Parents come before children.
function shown(changes: Iterable<FileChange>): Change[] {
  const found = new Map<ByteName, Change>();
  const directories = new Map<ByteName, Change["Kind"]>();
  for (const { kind, path, stat } of changes) {
    const Kind = KINDS[kind];
    if (stat?.type === S_IFDIR) directories.set(path, Kind ?? 0);
    if (Kind === undefined || (Kind === 1 && OF_THE_START.has(`/${path}`))) continue;
    found.set(path, { Path: showName(`/${path}`), Kind });
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const parent = path.slice(0, end);
      if (found.has(parent)) break;
      found.set(parent, { Path: showName(`/${parent}`), Kind: directories.get(parent) ?? 0 });
    }
  }
  return [...found.values()];
}
