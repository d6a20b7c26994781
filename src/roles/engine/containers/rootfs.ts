// A container's file system as the engine looks at it: read-only, whatever the container is doing, and never by a path that
// a symlink in the image could lead astray.
import { O_DIRECTORY } from "../../../../ffi/arch/index.ts";
import { O_PATH, O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { overlayView } from "../../../../ffi/detached-mount.ts";
import { isErrno, SyscallError } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open, openInRoot, read } from "../../../../ffi/file.ts";
import type { Mount } from "../../../wire/containerd/services.ts";
import { ApiError } from "../errors.ts";

/** The value of an option of a snapshot's mount ("upperdir"). */
export const mountOption = (mount: Mount, name: string): string | undefined =>
  mount.options.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1);

/**
 * Opens the tree that a snapshot's mounts describe, without touching any mount table. The upper directory is read as the
 * uppermost lower one, so a running container's writable mount of it is left alone.
 */
export function openRootfs(mounts: readonly Mount[]): Fd {
  const layers = layersOf(mounts);
  if (layers.length === 1) return open(layers[0]!, O_PATH | O_DIRECTORY);
  return overlayView(layers);
}

/** The directories that a snapshot's mounts lay over one another, the uppermost first. */
export function layersOf(mounts: readonly Mount[]): string[] {
  const [mount] = mounts;
  if (mount?.type === "bind") return [mount.source];
  if (mount?.type !== "overlay") {
    throw new ApiError(500, `snapshot mount of type "${mount?.type ?? "none"}" cannot be looked into`);
  }
  const upper = mountOption(mount, "upperdir");
  const lower = (mountOption(mount, "lowerdir") ?? "").split(":").filter((path) => path !== "");
  return upper === undefined ? lower : [upper, ...lower];
}

/** Path of the directory that new files of the container go to; undefined for a read-only snapshot. */
export function writableLayer(mounts: readonly Mount[]): string | undefined {
  const [mount] = mounts;
  if (mount?.type === "bind") return mount.options.includes("ro") ? undefined : mount.source;
  return mount === undefined ? undefined : mountOption(mount, "upperdir");
}

/** Longest /etc/passwd or /etc/group that is read. */
const FILE_LIMIT = 10 << 20;

/** A file's text as a process in the container would read it; "" when there is none. */
export function readInRoot(root: Fd, path: string): string {
  let file: Fd;
  try {
    file = openInRoot(root, path, O_RDONLY);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES")) return "";
    throw error;
  }
  using held = file;
  const pieces: Uint8Array[] = [];
  for (let total = 0; total < FILE_LIMIT; ) {
    const piece = new Uint8Array(64 << 10);
    let length: number;
    try {
      length = read(held, piece);
    } catch (error) {
      if (error instanceof SyscallError && error.code === "EISDIR") return "";
      throw error;
    }
    if (length === 0) break;
    pieces.push(piece.subarray(0, length));
    total += length;
  }
  return Buffer.concat(pieces).toString("utf8");
}
