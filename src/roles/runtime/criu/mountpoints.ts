// Mountpoints that a root file system lacks when a container is restored on a fresh one.
import { O_DIRECTORY, O_PATH, S_IFREG } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { mkdirat, mknodat, openInRoot } from "../../../../ffi/file.ts";
import { kindOf, nameOf, parentOf } from "../../../../ffi/path.ts";
import type { Mount } from "../../../spec/oci/runtime.ts";
import { isBind } from "../launch/mounts.ts";

/** Makes those that do not lie on a tmpfs, whose content comes with the images. Never outside of `root`. */
export function makeMountpoints(root: Fd, mounts: readonly Mount[]): void {
  const volatile = mounts.filter(({ type }) => type === "tmpfs").map(({ destination }) => `${destination}/`);
  for (const mount of mounts) {
    const { destination } = mount;
    if (mount.type === "cgroup" || volatile.some((path) => destination.startsWith(path))) continue;
    make(root, destination, isBind(mount) ? kindOf(mount.source ?? "") : "directory");
  }
}

function make(root: Fd, path: string, kind: "directory" | "file"): void {
  if (path === "/" || isThere(root, path)) return;
  make(root, parentOf(path), "directory");
  using parent = openInRoot(root, parentOf(path), O_PATH | O_DIRECTORY);
  if (kind === "directory") mkdirat(parent, nameOf(path), 0o755);
  else mknodat(parent, nameOf(path), S_IFREG | 0o644);
}

function isThere(root: Fd, path: string): boolean {
  try {
    openInRoot(root, path, O_PATH).close();
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
