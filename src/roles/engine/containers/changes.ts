// GET /containers/{id}/changes: what a container has made of its image's files, read from its overlay's upper directory.
import { O_DIRECTORY } from "../../../../ffi/arch/index.ts";
import { O_RDONLY, S_IFCHR, S_IFDIR } from "../../../../ffi/constants/fcntl.ts";
import { overlayView } from "../../../../ffi/detached-mount.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import {
  attributes,
  type ByteName,
  type FileStat,
  namesIn,
  openDirectory,
  showName,
  statAt,
} from "../../../../ffi/tree.ts";
import type { Container } from "./container.ts";
import { step } from "./mailbox.ts";
import { type Room, snapshotterOf } from "./room.ts";
import { mountOption } from "./rootfs.ts";

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

const isWhiteout = (stat: FileStat): boolean =>
  stat.type === S_IFCHR && stat.rdevMajor === 0 && stat.rdevMinor === 0;

const isOpaque = (directory: Fd): boolean =>
  ["trusted.overlay.opaque", "user.overlay.opaque"].some(
    (name) => attributes(directory, "").get(name)?.[0] === 0x79,
  );

/** In the order of the paths; null when there is none, as docker says it. */
export async function containerChanges(room: Room, container: Container): Promise<Change[] | null> {
  const [mount] = await step("snapshot", snapshotterOf(room).mounts(room.engine.namespace, container.id));
  const upperPath = mount && mountOption(mount, "upperdir");
  if (!mount || upperPath === undefined) return null;
  using upper = open(upperPath, O_RDONLY | O_DIRECTORY);
  const layers = (mountOption(mount, "lowerdir") ?? "").split(":");
  using lower = layers.length > 1 ? overlayView(layers) : open(layers[0]!, O_RDONLY | O_DIRECTORY);
  const changes: Change[] = [];
  compare(upper, lower, "", changes);
  if (changes.length === 0) return null;
  return changes.sort((a, b) => (a.Path < b.Path ? -1 : 1));
}

// What is in the upper directory was made, changed or (as a whiteout) deleted; a directory may be there for its members only.
function compare(upper: Fd, lower: Fd | undefined, path: ByteName, changes: Change[]): void {
  for (const name of namesIn(upper)) {
    const stat = statAt(upper, name);
    if (!stat) continue;
    const full = `${path}/${name}`;
    const shown = showName(full);
    const before = lower && statAt(lower, name);
    if (isWhiteout(stat)) {
      if (before) changes.push({ Path: shown, Kind: 2 });
      continue;
    }
    const added = { Path: shown, Kind: before ? 0 : 1 } as const;
    if (stat.type !== S_IFDIR) {
      if (before || !OF_THE_START.has(full)) changes.push(added);
      continue;
    }
    using inner = openDirectory(upper, name);
    using below = before?.type === S_IFDIR && lower ? openDirectory(lower, name) : undefined;
    const opaque = isOpaque(inner);
    const known = changes.length;
    if (opaque && below) deletions(inner, below, full, changes);
    compare(inner, opaque ? undefined : below, full, changes);
    const own = !before || before.type !== S_IFDIR || before.mode !== stat.mode || before.uid !== stat.uid;
    if (changes.length > known || (own && !(OF_THE_START.has(full) && !before))) changes.push(added);
  }
}

// A directory that was removed and made again hides all that was in it.
function deletions(inner: Fd, below: Fd, path: ByteName, changes: Change[]): void {
  for (const name of namesIn(below)) {
    if (!statAt(inner, name)) changes.push({ Path: showName(`${path}/${name}`), Kind: 2 });
  }
}
