// Keeping children: reaping them, being their subreaper, and the time to the nanosecond that their log lines carry.

import { NR } from "./arch/index.ts";
import { CLOCK_REALTIME, PR_SET_CHILD_SUBREAPER, WNOHANG } from "./constants/wait.ts";
import { ERRNO, SyscallError } from "./errno.ts";
import { rawSyscall, syscall } from "./libc.ts";

const status = new Int32Array(1);

/** One child that has ended: its pid and raw wait status. */
export interface Reaped {
  pid: number;
  /** What a shell would call the exit code: the code, or 128 + the signal. */
  exitStatus: number;
}

/** Reaps one ended child without waiting; undefined when there is none. `pid` -1: any. man 2 wait4. */
export function reap(pid = -1): Reaped | undefined {
  for (;;) {
    const result = rawSyscall(NR.wait4, pid, status, WNOHANG, 0);
    if (result === -ERRNO["EINTR"]!) continue;
    if (result === 0 || result === -ERRNO["ECHILD"]!) return undefined;
    if (result < 0) throw new SyscallError("wait4", -result);
    const raw = status[0]!;
    const signal = raw & 0x7f;
    return { pid: result, exitStatus: signal === 0 ? (raw >> 8) & 0xff : 128 + signal };
  }
}

/** From now on orphaned descendants become this process's children. man 2 PR_SET_CHILD_SUBREAPER. */
export function becomeSubreaper(): void {
  syscall("prctl", undefined, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

const spec = new BigInt64Array(2);

/** The wall clock: seconds and nanoseconds. */
export function wallClock(): { seconds: number; nanos: number } {
  syscall("clock_gettime", undefined, CLOCK_REALTIME, spec);
  return { seconds: Number(spec[0]), nanos: Number(spec[1]) };
}
