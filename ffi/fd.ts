// File descriptors as objects that close themselves (`using fd = open(...)`).
import { NR } from "./arch/index.ts";
import { rawSyscall } from "./libc.ts";

/** An owned file descriptor: closed once, by `close()` or at the end of a `using` scope. */
export class Fd implements Disposable {
  #fd: number;

  constructor(
    fd: number,
    /** What it was opened on, for error texts. */
    readonly path: string = `fd ${fd}`,
  ) {
    this.#fd = fd;
  }

  /** The descriptor's number. Throws when it was closed or given away: a stale number may already name another file. */
  get number(): number {
    if (this.#fd < 0) throw new Error(`use of closed file descriptor (${this.path})`);
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  /** Gives the descriptor away: this object no longer closes it. */
  release(): number {
    const fd = this.number;
    this.#fd = -1;
    return fd;
  }

  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    // Never retried: Linux frees the number even when close(2) reports EINTR.
    rawSyscall(NR.close, fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What functions that only use a descriptor take: an owned one, or a borrowed number (AT_FDCWD, 0, 1, 2 …). */
export type FdLike = Fd | number;

export function fdNumber(fd: FdLike): number {
  return typeof fd === "number" ? fd : fd.number;
}
