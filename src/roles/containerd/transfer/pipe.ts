// Bytes from whoever downloads to whoever unpacks, chunk by chunk with backpressure. The end is told only once the blob
// is verified: the reader cannot finish before.

export class Pipe implements AsyncIterable<Uint8Array> {
  #chunk?: Uint8Array;
  #ended = false;
  #failure?: { error: unknown };
  /** The reader went away: what is written from then on is dropped. */
  #closed = false;
  #wakeReader: () => void = () => {};
  #wakeWriter: () => void = () => {};

  /** Hands over a chunk; resolves when the reader is ready for the next one. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#closed || chunk.length === 0) return;
    this.#chunk = chunk;
    this.#wakeReader();
    while (this.#chunk !== undefined && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
  }

  end(): void {
    this.#ended = true;
    this.#wakeReader();
  }

  /** Ends it with an error, which the reader throws. Does nothing once it has ended. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#failure ??= { error };
    this.#wakeReader();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#failure) throw this.#failure.error;
        const chunk = this.#chunk;
        if (chunk !== undefined) {
          yield chunk;
          this.#chunk = undefined;
          this.#wakeWriter();
        } else if (this.#ended) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wakeReader = resolve;
          });
        }
      }
    } finally {
      this.#closed = true;
      this.#wakeWriter();
    }
  }
}
