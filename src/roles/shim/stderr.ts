// What the shim itself has to say: straight to the descriptor, since a process that has touched `process.stderr` has loaded
// two megabytes of streams.
import { NR } from "../../../ffi/arch/index.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import { rawSyscall } from "../../../ffi/libc.ts";

const STDERR = 2;
const encoder = new TextEncoder();

/** Writes to stderr, which is containerd's log FIFO (non-blocking): what does not fit into it is dropped. */
export function toStderr(text: string): void {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length; ) {
    const rest = at === 0 ? bytes : bytes.subarray(at);
    const taken = rawSyscall(NR.write, STDERR, rest, rest.length);
    if (taken === -ERRNO["EINTR"]!) continue;
    if (taken < 0) return;
    at += taken;
  }
}
