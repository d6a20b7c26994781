// The multiplexed stream of attach, exec and logs: 8 bytes of header (stream, 0, 0, 0, length big-endian), then the bytes.

export type FrameStream = "stdin" | "stdout" | "stderr" | "system";

const STREAMS: readonly FrameStream[] = ["stdin", "stdout", "stderr", "system"];

/** A stream that is not framed as promised, or the engine's own error that came inside it. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const HEADER = 8;

/**
 * Takes a multiplexed stream apart, whatever its chunks' borders. Payload is handed on as it comes: nothing is gathered
 * beyond a chunk, so a frame may be larger than memory. What one chunk holds of many frames in a row of the same stream comes
 * as one piece: a log has a frame a line, and a write(2) a line would cost more than all the rest.
 */
export class FrameDecoder {
  #header = new Uint8Array(HEADER);
  #have = 0;
  #left = 0;
  #stream: FrameStream = "stdout";
  #system = "";

  /**
   * Yields the payload of `chunk`, which is changed by it. Throws FrameError on an unknown stream number or on the engine's
   * error frame.
   */
  *push(chunk: Uint8Array): Generator<{ stream: FrameStream; bytes: Uint8Array }> {
    let at = 0;
    // The run of payload found so far: moved together within the chunk, over the headers between.
    let from = 0;
    let to = 0;
    let running: FrameStream = this.#stream;
    while (at < chunk.length) {
      if (this.#left === 0) {
        at = this.#readHeader(chunk, at);
        continue;
      }
      const take = Math.min(this.#left, chunk.length - at);
      this.#left -= take;
      if (this.#stream !== running || to === from) {
        if (to > from) yield { stream: running, bytes: chunk.subarray(from, to) };
        running = this.#stream;
        from = at;
        to = at;
      }
      if (this.#stream === "system") {
        this.#system += new TextDecoder().decode(chunk.subarray(at, at + take));
        if (this.#left === 0) throw new FrameError(`error from daemon in stream: ${this.#system}`);
      } else {
        if (to !== at) chunk.copyWithin(to, at, at + take);
        to += take;
      }
      at += take;
    }
    if (to > from) yield { stream: running, bytes: chunk.subarray(from, to) };
  }

  /** Takes what there is of a header; where the payload, or the chunk's end, is. */
  #readHeader(chunk: Uint8Array, at: number): number {
    if (this.#have === 0 && chunk.length - at >= HEADER) {
      this.#begin(chunk, at);
      return at + HEADER;
    }
    const take = Math.min(HEADER - this.#have, chunk.length - at);
    this.#header.set(chunk.subarray(at, at + take), this.#have);
    this.#have += take;
    if (this.#have === HEADER) {
      this.#have = 0;
      this.#begin(this.#header, 0);
    }
    return at + take;
  }

  #begin(bytes: Uint8Array, at: number): void {
    const stream = STREAMS[bytes[at]!];
    if (stream === undefined) throw new FrameError(`Unrecognized input header: ${bytes[at]}`);
    this.#stream = stream;
    this.#left =
      ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!) >>> 0;
  }

  /** Whether the stream may end here: between two frames. */
  get whole(): boolean {
    return this.#have === 0 && this.#left === 0;
  }
}
