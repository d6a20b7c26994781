// ttrpc framing: a 10-byte header, then the message. github.com/containerd/ttrpc PROTOCOL.md.
//   length u32 BE | stream u32 BE (odd: begun by the client) | type u8 | flags u8

export const HEADER = 10;
/** The most a message may hold; a longer one is refused and skipped, never buffered. */
export const MAX_MESSAGE = 4 << 20;

export const TYPE_REQUEST = 1;
export const TYPE_RESPONSE = 2;
export const TYPE_DATA = 3;

export const FLAG_REMOTE_CLOSED = 1;
export const FLAG_REMOTE_OPEN = 2;
export const FLAG_NO_DATA = 4;

export interface Frame {
  stream: number;
  type: number;
  flags: number;
  payload: Uint8Array;
  /** Set when the message was over MAX_MESSAGE: its announced length; `payload` is then empty. */
  oversize?: number;
}

/** Header and payload in one buffer. */
export function frame(stream: number, type: number, payload: Uint8Array, flags = 0): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length);
  view.setUint32(4, stream);
  bytes[8] = type;
  bytes[9] = flags;
  bytes.set(payload, HEADER);
  return bytes;
}

/** Cuts a byte stream into frames. Holds at most one unfinished frame. */
export class FrameReader {
  #buffer: Uint8Array = new Uint8Array(4096);
  #held = 0;
  /** Bytes of an oversize message still to be thrown away. */
  #skip = 0;

  /** What is needed to go on in another process: the unfinished frame's bytes, and how many more are to be thrown away. */
  save(): { held: Uint8Array; skip: number } {
    return { held: this.#buffer.slice(0, this.#held), skip: this.#skip };
  }

  /** A reader that goes on where `save` stopped. */
  static restore({ held, skip }: { held: Uint8Array; skip: number }): FrameReader {
    const reader = new FrameReader();
    reader.#hold(held);
    reader.#skip = skip;
    return reader;
  }

  #hold(bytes: Uint8Array): void {
    const need = this.#held + bytes.length;
    if (need > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(need, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, this.#held));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#held);
    this.#held = need;
  }

  /** Takes the next bytes; returns the frames that they complete. The payloads are copies. */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let bytes = chunk;
    if (this.#held > 0) {
      this.#hold(chunk);
      bytes = this.#buffer.subarray(0, this.#held);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, bytes.length - at);
        this.#skip -= step;
        at += step;
        continue;
      }
      if (bytes.length - at < HEADER) break;
      const length = view.getUint32(at);
      const head = { stream: view.getUint32(at + 4), type: bytes[at + 8]!, flags: bytes[at + 9]! };
      if (length > MAX_MESSAGE) {
        frames.push({ ...head, payload: new Uint8Array(), oversize: length });
        this.#skip = length;
        at += HEADER;
        continue;
      }
      if (bytes.length - at < HEADER + length) break;
      frames.push({ ...head, payload: bytes.slice(at + HEADER, at + HEADER + length) });
      at += HEADER + length;
    }
    if (bytes === chunk) {
      if (at < chunk.length) this.#hold(chunk.subarray(at));
    } else {
      this.#buffer.copyWithin(0, at, this.#held);
      this.#held -= at;
      // A burst's big buffer is not kept by an idle connection.
      if (this.#held === 0 && this.#buffer.length > 1 << 16) this.#buffer = new Uint8Array(4096);
    }
    return frames;
  }
}
