// stdout and stderr by plain writes: process.stdout costs 7 ms to set up, as much as the whole start of this program.
import { NR } from "./arch/index.ts";
import { ERRNO } from "./errno.ts";
import { rawSyscall } from "./libc.ts";

/** Writes all of it to descriptor 1 or 2, waiting where the reader is slow. A reader that is gone loses the rest. */
export function print(what: string | Uint8Array, fd: 1 | 2 = 1): void {
  const bytes = typeof what === "string" ? new TextEncoder().encode(what) : what;
  for (let at = 0; at < bytes.length; ) {
    const result = rawSyscall(NR.write, fd, bytes.subarray(at), bytes.length - at);
    if (result >= 0) at += result;
    else if (result === -ERRNO["EAGAIN"]!) Bun.sleepSync(1);
    else if (result !== -ERRNO["EINTR"]!) return;
  }
}
