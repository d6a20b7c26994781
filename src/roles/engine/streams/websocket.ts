// A websocket as the plain byte stream that attach works on. RFC 6455; node's and Bun's own servers want to accept the connection
// themselves, which ours has done already.
import { createHash } from "node:crypto";
import { Duplex } from "node:stream";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;
/** Longest control frame. RFC 6455 section 5.5 */
const CONTROL_LIMIT = 125;

/** Sec-WebSocket-Accept for a client's key. */
export const acceptKey = (key: string): string => createHash("sha1").update(`${key}${GUID}`).digest("base64");

/** One unmasked frame, as servers send it. */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const size = length < 126 ? 2 : length < 65536 ? 4 : 10;
  const header = Buffer.alloc(size);
  header[0] = 0x80 | opcode;
  if (size === 2) header[1] = length;
  else if (size === 4) {
    header[1] = 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([header, payload]);
}

/** Frames from a client, in whatever pieces they arrive. Payloads are handed on as they come, however long the frame is. */
export class FrameReader {
  #buffer: Buffer = Buffer.alloc(0);
  #opcode = 0;
  #left = 0;
  #mask: Buffer | undefined;
  #position = 0;
  #control: Buffer[] = [];

  constructor(
    private readonly on: {
      data(bytes: Buffer): void;
      control(opcode: number, payload: Buffer): void;
    },
  ) {}

  /** Throws an Error for what is no frame. */
  push(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      if (this.#left === 0 && !this.#header()) return;
      if (this.#left > 0 && this.#buffer.length === 0) return;
      this.#payload();
    }
  }

  // True when a whole header was read.
  #header(): boolean {
    const { length } = this.#buffer;
    if (length < 2) return false;
    const [first, second] = [this.#buffer[0]!, this.#buffer[1]!];
    const short = second & 0x7f;
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
    const size = 2 + extra + 4;
    if ((second & 0x80) === 0) throw new Error("websocket frame of a client is not masked");
    if (length < size) return false;
    const long =
      extra === 2 ? this.#buffer.readUInt16BE(2) : Number(extra === 8 ? this.#buffer.readBigUInt64BE(2) : 0);
    this.#left = extra === 0 ? short : long;
    this.#opcode = first & 0x0f;
    if (this.#opcode >= CLOSE && this.#left > CONTROL_LIMIT)
      throw new Error("websocket control frame is too long");
    this.#mask = this.#buffer.subarray(2 + extra, size);
    this.#position = 0;
    this.#control = [];
    this.#buffer = this.#buffer.subarray(size);
    if (this.#left === 0) this.#whole();
    return this.#left > 0 || this.#buffer.length >= 2;
  }

  #payload(): void {
    if (this.#left === 0) return;
    const piece = Buffer.from(this.#buffer.subarray(0, this.#left));
    for (let i = 0; i < piece.length; i++) piece[i]! ^= this.#mask![(this.#position + i) & 3]!;
    this.#position += piece.length;
    this.#left -= piece.length;
    this.#buffer = this.#buffer.subarray(piece.length);
    if (this.#opcode < CLOSE) this.on.data(piece);
    else this.#control.push(piece);
    if (this.#left === 0) this.#whole();
  }

  #whole(): void {
    if (this.#opcode >= CLOSE) this.on.control(this.#opcode, Buffer.concat(this.#control));
  }
}

/** The stream inside of a websocket whose handshake is done; `kind`: of the frames in which what is written goes out. */
export function websocketStream(socket: Duplex, kind: "binary" | "text" = "binary"): Duplex {
  const opcode = kind === "text" ? TEXT : BINARY;
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      if (socket.write(encodeFrame(opcode, chunk))) done();
      else socket.once("drain", () => done());
    },
    final(done) {
      socket.end(encodeFrame(CLOSE, Buffer.from([0x03, 0xe8])));
      done();
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  const reader = new FrameReader({
    data: (bytes) => {
      if (!stream.push(bytes)) socket.pause();
    },
    control: (opcode, payload) => {
      if (opcode === PING) socket.write(encodeFrame(PONG, payload));
      else if (opcode === CLOSE) stream.push(null);
    },
  });
  socket.on("data", (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (error) {
      stream.destroy(error as Error);
    }
  });
  socket.on("end", () => stream.push(null));
  socket.on("close", () => stream.destroy());
  stream.on("error", () => {});
  return stream;
}
