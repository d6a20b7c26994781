// Writing to a non-blocking descriptor (FIFO, pipe, pty master): straight write(2); only when it is full does Bun's
// FileSink wait for room.

import type { FileSink } from "bun";
import { NR } from "../../../../ffi/arch/index.ts";
import { ERRNO, SyscallError } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { rawSyscall } from "../../../../ffi/libc.ts";

export class Outlet {
  #sink: FileSink | undefined;
  #waiting = 0;

  /** Owns `fd`, which must be O_NONBLOCK. */
  constructor(readonly fd: Fd) {}

  /** Writes all of `chunk`. Undefined when that was possible at once, else a promise. Fails with EPIPE when no reader is left. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    let at = 0;
    while (at < chunk.length) {
      const rest = at === 0 ? chunk : chunk.subarray(at);
      const taken = rawSyscall(NR.write, this.fd.number, rest, rest.length);
      if (taken === -ERRNO["EINTR"]!) continue;
      if (taken === -ERRNO["EAGAIN"]!) return this.#wait(rest);
      if (taken < 0) throw new SyscallError("write", -taken, this.fd.path);
      at += taken;
    }
    return undefined;
  }

  /** Nothing waits for room. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  async #wait(rest: Uint8Array): Promise<void> {
    this.#waiting++;
    try {
      this.#sink ??= Bun.file(this.fd.number).writer();
      this.#sink.write(rest);
      await this.#sink.flush();
    } finally {
      this.#waiting--;
    }
  }

  close(): void {
    if (this.fd.closed) return;
    // end() flushes without waiting; whoever closes with output unsent has given it up.
    void Promise.resolve(this.#sink?.end()).catch(() => {});
    this.fd.close();
  }
}
