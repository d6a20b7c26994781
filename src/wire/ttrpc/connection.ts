// One side of a ttrpc connection: frames in, frames out, over a Bun unix socket.
import type { Socket } from "bun";
import { type Frame, FrameReader, frame } from "./frame.ts";

/** A peer that does not read may make this much wait in memory before its connection is given up. */
const MAX_UNSENT = 64 << 20;

export class Connection {
  #socket: Socket<unknown>;
  #reader: FrameReader;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #open = true;

  constructor(
    socket: Socket<unknown>,
    private readonly onFrame: (frame: Frame) => void,
    private readonly onClose: (why: Error | undefined) => void,
    reader = new FrameReader(),
  ) {
    this.#socket = socket;
    this.#reader = reader;
  }

  /** Descriptor and half-read frame, for another process to go on with; undefined while something waits to be sent. */
  save(): { fd: number; held: Uint8Array; skip: number } | undefined {
    if (!this.#open || this.#unsent.length > 0) return undefined;
    // Bun's sockets know their descriptor, Bun's types do not.
    return { fd: (this.#socket as unknown as { fd: number }).fd, ...this.#reader.save() };
  }

  get isOpen(): boolean {
    return this.#open;
  }

  send(stream: number, type: number, payload: Uint8Array): void {
    if (!this.#open) return;
    const bytes = frame(stream, type, payload);
    if (this.#unsent.length > 0) {
      this.#queue(bytes);
      return;
    }
    const taken = this.#socket.write(bytes);
    if (taken < 0) return; // closed: the close event follows
    if (taken < bytes.length) this.#queue(bytes.subarray(taken));
  }

  #queue(bytes: Uint8Array): void {
    this.#unsent.push(bytes);
    this.#unsentBytes += bytes.length;
    if (this.#unsentBytes > MAX_UNSENT) this.close(new Error("ttrpc: the peer does not read"));
  }

  /** The socket's events, as Bun delivers them. */
  drain(): void {
    for (let next = this.#unsent[0]; next; next = this.#unsent[0]) {
      const taken = this.#socket.write(next);
      if (taken < 0) return;
      this.#unsentBytes -= taken;
      if (taken < next.length) {
        this.#unsent[0] = next.subarray(taken);
        return;
      }
      this.#unsent.shift();
    }
  }

  data(chunk: Uint8Array): void {
    for (const each of this.#reader.push(chunk)) {
      if (!this.#open) return;
      this.onFrame(each);
    }
  }

  /** Ends the connection; what was queued may be lost. `why` is undefined for a normal end. */
  close(why?: Error): void {
    if (!this.#open) return;
    this.#open = false;
    this.#unsent = [];
    this.#socket.end();
    this.onClose(why);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }
}

/** "unix:///run/x.sock" or a plain path → the path that Bun.connect and Bun.listen take. */
export function socketPath(address: string): string {
  return address.startsWith("unix://") ? address.slice("unix://".length) : address;
}
