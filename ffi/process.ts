// Processes by descriptor: signals that cannot hit a reused pid, waiting without polling. man 2 pidfd_open
import { NR } from "./arch/index.ts";
import { ERRNO, SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { rawSyscall } from "./libc.ts";
import { pollReadable } from "./poll.ts";

/** A descriptor of a process; undefined when there is none with this pid. */
export function pidfdOpen(pid: number): Fd | undefined {
  const result = rawSyscall(NR.pidfd_open, pid, 0);
  if (result >= 0) return new Fd(result, `pid ${pid}`);
  if (result === -ERRNO["ESRCH"]!) return undefined;
  throw new SyscallError("pidfd_open", -result, `pid ${pid}`);
}

/** Sends a signal; false when the process is gone. */
export function pidfdSignal(process: Fd, signal: number): boolean {
  const result = rawSyscall(NR.pidfd_send_signal, process.number, signal, 0, 0);
  if (result === 0) return true;
  if (result === -ERRNO["ESRCH"]!) return false;
  throw new SyscallError("pidfd_send_signal", -result, process.path);
}

/** Waits until the process has ended (it may stay a zombie) or the time is over; blocks this thread. man 2 ppoll */
export function pidfdWait(process: Fd, milliseconds: number): boolean {
  const until = performance.now() + milliseconds;
  for (;;) {
    const left = Math.max(0, until - performance.now());
    if (pollReadable(process.number, left)) return true;
    // A signal may have come before the time was over.
    if (left === 0) return false;
  }
}
