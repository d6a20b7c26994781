// Waiting for a descriptor's turn. man 2 ppoll
import { NR } from "./arch/index.ts";
import { ERRNO, SyscallError } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { rawSyscall } from "./libc.ts";

const POLLIN = 1;
const POLLOUT = 4;

/** Waits until `fd` takes bytes, or has failed, or the time is over; blocks this thread. false: the time is over, or a signal came. */
export const pollWritable = (fd: number, milliseconds: number): boolean => poll(fd, POLLOUT, milliseconds);

/** Waits until `fd` can be read, or its other side has gone, or the time is over; blocks this thread. As `pollWritable`. */
export const pollReadable = (fd: number, milliseconds: number): boolean => poll(fd, POLLIN, milliseconds);

function poll(fd: number, events: number, milliseconds: number): boolean {
  const poll = new Int32Array([fd, events]);
  const time = new BigInt64Array([
    BigInt(Math.floor(milliseconds / 1000)),
    BigInt(Math.floor((milliseconds % 1000) * 1e6)),
  ]);
  const result = rawSyscall(NR.ppoll, poll, 1, time, 0, 0);
  if (result < 0 && result !== -ERRNO["EINTR"]!) throw new SyscallError("ppoll", -result, `fd ${fd}`);
  return result > 0;
}

/** As `pollReadable`, but signals do not cut it short. */
export function waitReadable(fd: Fd, milliseconds: number): boolean {
  const until = performance.now() + milliseconds;
  for (;;) {
    const left = Math.max(0, until - performance.now());
    if (pollReadable(fd.number, left)) return true;
    // A signal may have come before the time was over.
    if (left === 0) return false;
  }
}

/** Waits until the process has ended (it may stay a zombie) or the time is over; blocks this thread. man 2 ppoll */
export const pidfdWait: (process: Fd, milliseconds: number) => boolean = waitReadable;
