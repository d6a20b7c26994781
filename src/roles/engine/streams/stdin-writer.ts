// Writes a process's stdin FIFO, as fast as the process reads and no faster.
import type { FileSink } from "bun";
import { NR } from "../../../../ffi/arch/index.ts";
import { O_NONBLOCK, O_RDONLY, O_RDWR } from "../../../../ffi/constants/fcntl.ts";
import { ERRNO, SyscallError } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { growPipe } from "../../../../ffi/fifo.ts";
import { open, read } from "../../../../ffi/file.ts";
import { rawSyscall } from "../../../../ffi/libc.ts";

const PIPE_SIZE = 1 << 18;

export class StdinWriter {
  readonly #fd: Fd;
  #sink: FileSink | undefined;
  /** One write at a time: two clients' pieces must not mix. */
  #last: Promise<void> = Promise.resolve();
  #abandoned = false;

  /** Read-write, so that opening waits for nobody and a reader's absence is no error. */
  constructor(readonly path: string) {
    this.#fd = open(path, O_RDWR | O_NONBLOCK);
    growPipe(this.#fd, PIPE_SIZE);
  }

  /** Resolves when the pipe has taken all of it. */
  write(chunk: Uint8Array): Promise<void> {
    this.#last = this.#last.then(() => this.#write(chunk));
    return this.#last;
  }

  async #write(chunk: Uint8Array): Promise<void> {
    let at = 0;
    while (at < chunk.length && !this.#abandoned && !this.#fd.closed) {
      const rest = at === 0 ? chunk : chunk.subarray(at);
      const taken = rawSyscall(NR.write, this.#fd.number, rest, rest.length);
      if (taken === -ERRNO["EINTR"]!) continue;
      if (taken === -ERRNO["EAGAIN"]!) {
        this.#sink ??= Bun.file(this.#fd.number).writer();
        this.#sink.write(rest);
        await this.#sink.flush();
        return;
      }
      if (taken < 0) throw new SyscallError("write", -taken, this.path);
      at += taken;
    }
  }

  /** Everything that was written stays in the pipe; with the last write end gone the reader sees the end behind it. */
  async close(): Promise<void> {
    await this.#last.catch(() => {});
    await Promise.resolve(this.#sink?.end()).catch(() => {});
    this.#fd.close();
  }

  /** The process is gone: what waits for room is thrown away, so that the writer can be closed. */
  async abandon(): Promise<void> {
    if (this.#abandoned || this.#fd.closed) return;
    this.#abandoned = true;
    let settled = false;
    const idle = this.#last
      .catch(() => {})
      .then(() => {
        settled = true;
      });
    const drain = open(this.path, O_RDONLY | O_NONBLOCK);
    try {
      const scratch = new Uint8Array(PIPE_SIZE);
      while (!settled) {
        try {
          while (read(drain, scratch) > 0);
        } catch {
          // Empty for now: the writer needs a turn of the event loop to put the rest in.
        }
        await Promise.race([idle, Bun.sleep(1)]);
      }
    } finally {
      drain.close();
    }
    await this.close();
  }
}
