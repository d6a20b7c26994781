// Reads one output FIFO for whoever is attached. A write end of our own keeps it open until the process has exited; then
// it is dropped, and the end comes once the shim (or the process) has written everything.
import { O_NONBLOCK, O_RDONLY, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { growPipe } from "../../../../ffi/fifo.ts";
import { open } from "../../../../ffi/file.ts";

const PIPE_SIZE = 1 << 18;

export class FifoReader {
  readonly #fd: Fd;
  readonly #keeper: Fd;
  readonly #reader: ReturnType<typeof readerOf>;
  #stopped = false;
  /** When the last bytes were handed on: what tells a slow client from one that has stopped. */
  lastProgress = Date.now();
  /** Resolves when everything was read and handed on, or after `stop`. Never rejects. */
  readonly ended: Promise<void>;

  /** Opens the FIFO and hands each chunk on, the next one only after `onChunk` is through (backpressure). */
  constructor(path: string, onChunk: (chunk: Uint8Array) => Promise<void> | undefined) {
    this.#fd = open(path, O_RDONLY | O_NONBLOCK);
    try {
      this.#keeper = open(path, O_WRONLY | O_NONBLOCK);
    } catch (error) {
      this.#fd.close();
      throw error;
    }
    growPipe(this.#fd, PIPE_SIZE);
    this.#reader = readerOf(this.#fd);
    this.ended = this.#run(onChunk);
  }

  async #run(onChunk: (chunk: Uint8Array) => Promise<void> | undefined): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done || this.#stopped) return;
        await onChunk(value);
        this.lastProgress = Date.now();
      }
    } catch {
      // A FIFO that cannot be read any more has ended for those who read it.
    } finally {
      this.#keeper.close();
      this.#fd.close();
    }
  }

  /** The process has exited: the stream may end now. */
  finish(): void {
    this.#keeper.close();
  }

  /** Gives up what is unread. */
  stop(): void {
    this.#stopped = true;
    void this.#reader.cancel().catch(() => {});
    this.#keeper.close();
  }
}

// The one API of Bun that reads a non-blocking FIFO asynchronously. It closes nothing: the descriptor stays ours.
function readerOf(fd: Fd) {
  return Bun.file(fd.number).stream().getReader();
}
