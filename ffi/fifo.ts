// FIFOs and pipes. man 7 fifo.
import {
  AT_FDCWD,
  F_GETFL,
  F_GETPIPE_SZ,
  F_SETFL,
  F_SETPIPE_SZ,
  O_CLOEXEC,
  O_NONBLOCK,
  S_IFIFO,
} from "./constants/fcntl.ts";
import { isErrno } from "./errno.ts";
import { Fd, type FdLike, fdNumber } from "./fd.ts";
import { mknodat } from "./file.ts";
import { syscall } from "./libc.ts";

/** mkfifo(3). */
export function mkfifo(path: string, mode = 0o700): void {
  mknodat(AT_FDCWD, path, S_IFIFO | mode);
}

/** pipe2(2): [read end, write end], both close-on-exec. */
export function pipe(): [Fd, Fd] {
  const pair = new Int32Array(2);
  syscall("pipe2", undefined, pair, O_CLOEXEC);
  return [new Fd(pair[0]!, "pipe"), new Fd(pair[1]!, "pipe")];
}

/** Sets or clears O_NONBLOCK on the open file description (all its duplicates share it). */
export function setNonBlocking(fd: FdLike, on: boolean): void {
  const flags = syscall("fcntl", undefined, fdNumber(fd), F_GETFL);
  const wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted !== flags) syscall("fcntl", undefined, fdNumber(fd), F_SETFL, wanted);
}

/** Asks for a pipe capacity; the kernel may refuse (pipe-max-size, pipe-user-pages-soft), which is no error here. */
export function growPipe(fd: FdLike, bytes: number): void {
  try {
    syscall("fcntl", undefined, fdNumber(fd), F_SETPIPE_SZ, bytes);
  } catch {
    // The default 64 KiB serves as well, with more wake-ups.
  }
}

/** What fits into a pipe or FIFO, in bytes; 0 for what is none. */
export function pipeRoom(fd: FdLike): number {
  try {
    return syscall("fcntl", undefined, fdNumber(fd), F_GETPIPE_SZ);
  } catch (error) {
    if (isErrno(error, "EBADF")) return 0;
    throw error;
  }
}
