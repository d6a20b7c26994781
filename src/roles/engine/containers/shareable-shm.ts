// /dev/shm of a container whose IPC namespace others may join: a tmpfs on the host's side, since a mount cannot be taken out
// of another container's mount namespace. man 2 mount
import { chownSync, mkdirSync } from "node:fs";
import { MNT_DETACH } from "../../../../ffi/constants/umount.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import { cstr, syscall } from "../../../../ffi/libc.ts";
import type { Owner } from "../config/remap.ts";
import type { Container } from "./container.ts";

const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;

/** Where it is mounted, for the container itself and for those that join. */
export function sharedShmPath(container: Container): string {
  return container.file("mounts/shm");
}

/** Mounts it, fresh and empty. @param owner the container's root, when it is not the host's */
export function mountSharedShm(container: Container, owner?: Owner): void {
  const path = sharedShmPath(container);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  unmountSharedShm(container);
  const options = `mode=1777,size=${container.host.ShmSize}`;
  const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  syscall("mount", path, cstr("shm"), cstr(path), cstr("tmpfs"), flags, cstr(options));
  if (owner) chownSync(path, owner.uid, owner.gid);
}

/** Takes it away, however often it was mounted; fine when it is not there. Those who joined keep theirs. */
export function unmountSharedShm(container: Container): void {
  if (container.host.IpcMode !== "shareable") return;
  const path = sharedShmPath(container);
  try {
    for (;;) syscall("umount2", path, cstr(path), MNT_DETACH);
  } catch (error) {
    // EINVAL: not a mount point.
    if (!isErrno(error, "EINVAL", "ENOENT")) throw error;
  }
}
