// gRPC's messages in an HTTP/2 body: a flag byte, four bytes of length, the message. grpc: doc/PROTOCOL-HTTP2.md
const HEAD = 5;
/** More than any message that is asked for here; a peer that announces more is broken or hostile. */
const LIMIT = 64 << 20;

/** The message with its head. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(HEAD + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, HEAD);
  return framed;
}

/** Takes a body's bytes as they come and gives back whole messages. */
export class Deframer {
  #pieces: Buffer[] = [];
  #length = 0;

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  /** The next whole message; undefined until more has come. Throws for compressed ones, which nobody asked for, and oversized ones. */
  next(): Buffer | undefined {
    if (this.#length < HEAD) return undefined;
    const head = this.#peek(HEAD);
    if (head[0] !== 0) throw new Error("gRPC: a compressed message, though none was agreed on");
    const length = head.readUInt32BE(1);
    if (length > LIMIT) throw new Error(`gRPC: a message of ${length} bytes is too large`);
    if (this.#length < HEAD + length) return undefined;
    const whole = this.#peek(HEAD + length);
    this.#drop(HEAD + length);
    return whole.subarray(HEAD);
  }

  #peek(length: number): Buffer {
    if (this.#pieces[0]!.length < length) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0]!.subarray(0, length);
  }

  /** What `#peek` has gathered in the first piece. */
  #drop(length: number): void {
    const rest = this.#pieces[0]!.subarray(length);
    if (rest.length > 0) this.#pieces[0] = rest;
    else this.#pieces.shift();
    this.#length -= length;
  }
}
