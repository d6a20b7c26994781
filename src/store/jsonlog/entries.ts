// Text on its way to the file as UTF-8, in memory that is used again: a fresh array for each chunk of output would be made,
// zeroed and collected ten thousand times a second.

const encoder = new TextEncoder();
const NEWLINE = 10;
const FIRST = 64 * 1024;
/** What a chunk of nothing but newlines needed (seventy times its size) is not kept. */
const KEPT = 1 << 20;

export class Entries {
  #bytes = new Uint8Array(0);
  #length = 0;

  add(text: string): void {
    for (let rest = text; ; ) {
      const { read, written } = encoder.encodeInto(rest, this.#bytes.subarray(this.#length));
      this.#length += written;
      if (read === rest.length) return;
      rest = rest.slice(read);
      this.#grow(rest.length);
    }
  }

  /**
   * Adds `lines` as they are, `between` in place of each newline. Two copies a line by the machine's own means: a string of the
   * whole would be made, searched, joined and taken apart again, in twice the time.
   */
  addLines(lines: Uint8Array, between: string): void {
    const from = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength);
    const separator = Buffer.from(between);
    let into = this.#buffer();
    let length = this.#length;
    for (let at = 0; at < lines.length; ) {
      const newline = lines.indexOf(NEWLINE, at);
      const end = newline < 0 ? lines.length : newline;
      if (length + end - at + separator.length > into.length) {
        this.#length = length;
        this.#grow(end - at + separator.length);
        into = this.#buffer();
      }
      from.copy(into, length, at, end);
      length += end - at;
      if (newline >= 0) length += separator.copy(into, length);
      at = end + 1;
    }
    this.#length = length;
  }

  #buffer(): Buffer {
    return Buffer.from(this.#bytes.buffer);
  }

  #grow(by: number): void {
    const bytes = new Uint8Array(Math.max(FIRST, 2 * (this.#length + by)));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
  }

  /** What was added since the last call; valid until the next addition. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    if (this.#bytes.length > KEPT) this.#bytes = new Uint8Array(0);
    return taken;
  }
}
