// The multiplexed stream of attach, exec and logs: 8 bytes of header (stream, 0, 0, 0, length big-endian), then the bytes.

export type FrameStream = "stdin" | "stdout" | "stderr" | "system";

const STREAMS: readonly FrameStream[] = ["stdin", "stdout", "stderr", "system"];

/** A stream that is not framed as promised, or the engine's own error that came inside it. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/**
 * Takes a multiplexed stream apart, whatever its chunks' borders. Payload is handed on as it comes, in pieces of a frame:
 * nothing is gathered, so a frame may be larger than memory.
 */
export class FrameDecoder {
  #header = new Uint8Array(8);
  #have = 0;
  #left = 0;
  #stream: FrameStream = "stdout";
  #system = "";

  /** Yields the payload pieces of `chunk`. Throws FrameError on an unknown stream number or on the engine's error frame. */
  *push(chunk: Uint8Array): Generator<{ stream: FrameStream; bytes: Uint8Array }> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const take = Math.min(8 - this.#have, chunk.length - at);
        this.#header.set(chunk.subarray(at, at + take), this.#have);
        this.#have += take;
        at += take;
        if (this.#have < 8) return;
        this.#have = 0;
        this.#left = new DataView(this.#header.buffer).getUint32(4);
        const stream = STREAMS[this.#header[0]!];
        if (stream === undefined) throw new FrameError(`Unrecognized input header: ${this.#header[0]}`);
        this.#stream = stream;
        continue;
      }
      const take = Math.min(this.#left, chunk.length - at);
      const bytes = chunk.subarray(at, at + take);
      at += take;
      this.#left -= take;
      if (this.#stream === "system") {
        this.#system += new TextDecoder().decode(bytes);
        if (this.#left === 0) throw new FrameError(`error from daemon in stream: ${this.#system}`);
      } else {
        yield { stream: this.#stream, bytes };
      }
    }
  }

  /** Whether the stream may end here: between two frames. */
  get whole(): boolean {
    return this.#have === 0 && this.#left === 0;
  }
}
