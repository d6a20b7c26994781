// A shim writes its own log to the FIFO `log` of its bundle (containerd's shim will not start without a reader there).
// Its lines go to our stderr.
import { O_NONBLOCK, O_RDWR } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";

export class ShimLog {
  #fd: Fd;
  #reader: ReadableStreamDefaultReader<Uint8Array>;

  /** Opened for both ends, so that a shim may come, go and come again. */
  constructor(path: string) {
    this.#fd = open(path, O_RDWR | O_NONBLOCK);
    this.#reader = Bun.file(this.#fd.number)
      .stream()
      .getReader() as unknown as ReadableStreamDefaultReader<Uint8Array>;
    void this.#copy();
  }

  async #copy(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) return;
        process.stderr.write(value);
      }
    } catch {
      // The FIFO is closed under it when the task goes.
    }
  }

  async close(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
    this.#fd.close();
  }
}
