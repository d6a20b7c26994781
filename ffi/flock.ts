// Whole-file locks that the kernel drops with the process, however it dies. man 2 flock.

import { O_CREAT, O_RDWR } from "./constants/fcntl.ts";
import { LOCK_EX, LOCK_NB } from "./constants/file-lock.ts";
import { isErrno, type SyscallError } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { open } from "./file.ts";
import { syscall } from "./libc.ts";

/** Locks `path` (made when absent) for this process alone; undefined when another holds it. Held until the Fd closes. */
export function tryLock(path: string): Fd | undefined {
  const fd = open(path, O_RDWR | O_CREAT, 0o600);
  try {
    syscall("flock", path, fd.number, LOCK_EX | LOCK_NB);
    return fd;
  } catch (error) {
    fd.close();
    if (isErrno(error, "EAGAIN")) return undefined;
    throw error as SyscallError;
  }
}
