// A disk whose cache is lost with the power: an NBD server that keeps every write in memory until the machine flushes. At a cut
// each block that was not flushed stays or goes at random, for a real disk may have written any of them, in any order.
// github.com/NetworkBlockDevice/nbd doc/proto.md
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { Socket } from "bun";

const BLOCK = 4096;

const GREETING = 0x4e42444d41474943n; // "NBDMAGIC"
const OPTIONS = 0x49484156454f5054n; // "IHAVEOPT"
const OPTION_REPLY = 0x3e889045565a9n;
const REQUEST = 0x25609513;
const REPLY = 0x67446698;
const OPT = { exportName: 1, abort: 2, info: 6, go: 7 } as const;
const REP = { ack: 1, info: 3, unsupported: 0x80000001 } as const;
const CMD = { read: 0, write: 1, disconnect: 2, flush: 3 } as const;
/** NBD_FLAG_HAS_FLAGS, SEND_FLUSH, SEND_FUA */
const FLAGS = 1 | 4 | 8;
const FUA = 1;
const EINVAL = 22;

export interface Cut {
  /** Bytes of blocks that were written but not flushed, and how many of them stayed all the same. */
  unflushed: number;
  kept: number;
}

export class VolatileDisk implements Disposable {
  readonly #file: number;
  readonly #unflushed = new Map<number, Uint8Array>();
  readonly #server: ReturnType<typeof Bun.listen>;
  /** Since the power was cut nothing is taken any more. */
  #off = false;
  flushes = 0;

  /** Serves `image` on the unix socket; what is flushed is written to the image. */
  constructor(
    image: string,
    private readonly size: number,
    socket: string,
    private readonly random: () => number,
  ) {
    this.#file = openSync(image, "r+");
    const disk = this;
    this.#server = Bun.listen<Connection>({
      unix: socket,
      socket: {
        open(peer) {
          peer.data = new Connection(disk, peer);
        },
        data(peer, bytes) {
          peer.data.take(bytes);
        },
        drain(peer) {
          peer.data.send();
        },
      },
    });
  }

  get bytes(): number {
    return this.size;
  }

  read(offset: number, length: number): Uint8Array {
    const into = new Uint8Array(length);
    readSync(this.#file, into, 0, length, offset);
    for (let block = Math.floor(offset / BLOCK); block * BLOCK < offset + length; block++) {
      const fresh = this.#unflushed.get(block);
      if (!fresh) continue;
      const from = Math.max(offset, block * BLOCK);
      const to = Math.min(offset + length, (block + 1) * BLOCK);
      into.set(fresh.subarray(from - block * BLOCK, to - block * BLOCK), from - offset);
    }
    return into;
  }

  /** `through`: on the disk before it is answered, whatever else is not. */
  write(offset: number, data: Uint8Array, through: boolean): void {
    if (this.#off) return;
    if (through) writeSync(this.#file, data, 0, data.length, offset);
    for (let at = 0; at < data.length; ) {
      const block = Math.floor((offset + at) / BLOCK);
      const inside = offset + at - block * BLOCK;
      const count = Math.min(BLOCK - inside, data.length - at);
      const whole = this.#unflushed.get(block) ?? this.read(block * BLOCK, BLOCK);
      whole.set(data.subarray(at, at + count), inside);
      this.#unflushed.set(block, whole);
      at += count;
    }
  }

  flush(): void {
    if (this.#off) return;
    this.flushes++;
    for (const [block, data] of this.#unflushed) writeSync(this.#file, data, 0, BLOCK, block * BLOCK);
    this.#unflushed.clear();
  }

  /** The power is gone. */
  cut(): Cut {
    this.#off = true;
    const unflushed = this.#unflushed.size * BLOCK;
    let kept = 0;
    // Between none and all of them stay.
    const share = this.random();
    for (const [block, data] of this.#unflushed) {
      if (this.random() >= share) continue;
      writeSync(this.#file, data, 0, BLOCK, block * BLOCK);
      kept += BLOCK;
    }
    this.#unflushed.clear();
    return { unflushed, kept };
  }

  /** Power is back. */
  on(): void {
    this.#off = false;
  }

  [Symbol.dispose](): void {
    this.#server.stop(true);
    closeSync(this.#file);
  }
}

/** One machine's connection: the handshake, then requests one after another. */
class Connection {
  #have: Buffer = Buffer.alloc(0);
  #out: Uint8Array[] = [];
  #next: (bytes: Buffer) => void;
  #need: number;

  constructor(
    private readonly disk: VolatileDisk,
    private readonly peer: Socket<Connection>,
  ) {
    const hello = Buffer.alloc(18);
    hello.writeBigUInt64BE(GREETING, 0);
    hello.writeBigUInt64BE(OPTIONS, 8);
    hello.writeUInt16BE(1, 16); // fixed newstyle
    this.#need = 4;
    this.#next = () => this.#expect(16, (option) => this.#option(option));
    this.#put(hello);
  }

  #expect(count: number, next: (bytes: Buffer) => void): void {
    this.#need = count;
    this.#next = next;
  }

  take(bytes: Uint8Array): void {
    this.#have = Buffer.concat([this.#have, bytes]);
    while (this.#have.length >= this.#need) {
      const piece = this.#have.subarray(0, this.#need);
      this.#have = this.#have.subarray(this.#need);
      this.#next(piece);
    }
  }

  #put(...pieces: Uint8Array[]): void {
    this.#out.push(...pieces);
    this.send();
  }

  send(): void {
    while (this.#out.length > 0) {
      const first = this.#out[0]!;
      const sent = this.peer.write(first);
      if (sent < first.length) {
        this.#out[0] = first.subarray(Math.max(sent, 0));
        return;
      }
      this.#out.shift();
    }
  }

  #option(header: Buffer): void {
    const option = header.readUInt32BE(8);
    const length = header.readUInt32BE(12);
    const answer = (type: number, data: Uint8Array = new Uint8Array(0)) => {
      const reply = Buffer.alloc(20);
      reply.writeBigUInt64BE(OPTION_REPLY, 0);
      reply.writeUInt32BE(option, 8);
      reply.writeUInt32BE(type, 12);
      reply.writeUInt32BE(data.length, 16);
      this.#put(reply, data);
    };
    this.#expect(length, () => {
      const size = Buffer.alloc(12);
      size.writeUInt16BE(0, 0); // NBD_INFO_EXPORT
      size.writeBigUInt64BE(BigInt(this.disk.bytes), 2);
      size.writeUInt16BE(FLAGS, 10);
      const more = () => this.#expect(16, (next) => this.#option(next));
      const serve = () => this.#expect(28, (request) => this.#request(request));
      switch (option) {
        case OPT.go:
          answer(REP.info, size);
          answer(REP.ack);
          return serve();
        case OPT.info:
          answer(REP.info, size);
          answer(REP.ack);
          return more();
        case OPT.exportName:
          this.#put(size.subarray(2), new Uint8Array(124));
          return serve();
        case OPT.abort:
          answer(REP.ack);
          this.peer.end();
          return;
        default:
          answer(REP.unsupported);
          return more();
      }
    });
    // An option without data must not wait for some.
    if (length === 0) this.#next(Buffer.alloc(0));
  }

  #request(header: Buffer): void {
    if (header.readUInt32BE(0) !== REQUEST) {
      this.peer.terminate();
      return;
    }
    const flags = header.readUInt16BE(4);
    const type = header.readUInt16BE(6);
    const cookie = Buffer.from(header.subarray(8, 16));
    const offset = Number(header.readBigUInt64BE(16));
    const length = header.readUInt32BE(24);
    const answer = (error: number, data: Uint8Array = new Uint8Array(0)) => {
      const reply = Buffer.alloc(16);
      reply.writeUInt32BE(REPLY, 0);
      reply.writeUInt32BE(error, 4);
      cookie.copy(reply, 8);
      this.#put(reply, data);
    };
    const more = () => this.#expect(28, (request) => this.#request(request));
    if (type === CMD.disconnect) {
      this.peer.end();
      return;
    }
    if (type === CMD.write) {
      this.#expect(length, (data) => {
        this.disk.write(offset, data, (flags & FUA) !== 0);
        answer(0);
        more();
      });
      return;
    }
    if (type === CMD.read) answer(0, this.disk.read(offset, length));
    else if (type === CMD.flush) {
      this.disk.flush();
      answer(0);
    } else answer(EINVAL);
    more();
  }
}
