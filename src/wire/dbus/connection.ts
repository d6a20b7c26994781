// A connection to a message bus, without an event loop: each call blocks until its answer or the deadline. For programs that
// live for some milliseconds and have nothing else to do meanwhile.
import { SO_RCVTIMEO, SOL_SOCKET } from "../../../ffi/constants/netlink.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../../../ffi/constants/unix.ts";
import { isErrno } from "../../../ffi/errno.ts";
import { Fd } from "../../../ffi/fd.ts";
import { read, write } from "../../../ffi/file.ts";
import { syscall } from "../../../ffi/libc.ts";
import type { Value } from "./marshal.ts";
import { decodeMessage, encodeMessage, FIXED, type Message, messageLength, TYPE } from "./message.ts";

const SECONDS = 30;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The other side answered with an error. */
export class DBusError extends Error {
  override readonly name = "DBusError";
  constructor(
    /** "org.freedesktop.DBus.Error.ServiceUnknown" */
    readonly errorName: string,
    message: string,
  ) {
    super(message);
  }
}

export interface Call {
  destination: string;
  path: string;
  interface: string;
  member: string;
  signature?: string;
  body?: readonly Value[];
}

export class BusConnection implements Disposable {
  #serial = 0;
  /** Signals that came while something else was waited for. */
  readonly #signals: Message[] = [];

  private constructor(readonly socket: Fd) {}

  /** Connects to the first usable part of a bus address ("unix:path=/run/dbus/system_bus_socket"), as this process's user. */
  static open(address: string): BusConnection {
    const socket = connect(address);
    try {
      const connection = new BusConnection(socket);
      connection.#authenticate();
      connection.call({
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        member: "Hello",
      });
      return connection;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** EXTERNAL: the kernel tells the bus who we are. dbus-specification.html#auth-protocol */
  #authenticate(): void {
    const uid = Buffer.from(String(process.geteuid?.() ?? 0)).toString("hex");
    this.#send(encoder.encode(`\0AUTH EXTERNAL ${uid}\r\n`));
    let line = "";
    const byte = new Uint8Array(1);
    while (!line.endsWith("\r\n")) {
      this.#receive(byte);
      line += decoder.decode(byte);
    }
    if (!line.startsWith("OK ")) throw new Error(`the message bus refuses this user: ${line.trim()}`);
    this.#send(encoder.encode("BEGIN\r\n"));
  }

  #send(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += write(this.socket, bytes.subarray(at));
  }

  #receive(into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      let got: number;
      try {
        got = read(this.socket, into.subarray(at));
      } catch (error) {
        if (isErrno(error, "EINTR")) continue;
        if (isErrno(error, "EAGAIN")) throw new Error(`the message bus did not answer for ${SECONDS} s`);
        throw error;
      }
      if (got === 0) throw new Error("the message bus closed the connection");
      at += got;
    }
  }

  #next(): Message {
    const head = new Uint8Array(FIXED);
    this.#receive(head);
    const bytes = new Uint8Array(messageLength(head));
    bytes.set(head);
    this.#receive(bytes.subarray(FIXED));
    return decodeMessage(bytes);
  }

  /** Calls a method and returns what it answers. Throws DBusError. */
  call({ signature = "", body = [], ...call }: Call): Value[] {
    const serial = ++this.#serial;
    this.#send(encodeMessage({ type: TYPE.call, serial, signature, body: [...body], ...call }));
    for (;;) {
      const message = this.#next();
      if (message.type === TYPE.signal) this.#signals.push(message);
      if (message.replyTo !== serial) continue;
      if (message.type === TYPE.return) return message.body;
      if (message.type === TYPE.error)
        throw new DBusError(message.error ?? "", String(message.body[0] ?? message.error));
    }
  }

  /** The first signal that fits, from those that came already on. */
  waitSignal(fits: (signal: Message) => boolean): Message {
    const kept = this.#signals.findIndex(fits);
    if (kept >= 0) return this.#signals.splice(kept, 1)[0]!;
    for (;;) {
      const message = this.#next();
      if (message.type === TYPE.signal && fits(message)) return message;
    }
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}

/** man 7 unix; dbus-specification.html#transports-unix-domain-sockets-addresses */
function connect(address: string): Fd {
  for (const part of address.split(";")) {
    const match = /^unix:(?:.*,)?(path|abstract)=([^,]+)/.exec(part);
    if (!match) continue;
    const path = decodeURIComponent(match[2]!);
    const name = encoder.encode(match[1] === "abstract" ? `\0${path}` : path);
    const where = new Uint8Array(2 + name.length + (match[1] === "path" ? 1 : 0));
    new DataView(where.buffer).setUint16(0, AF_UNIX, true);
    where.set(name, 2);
    const socket = new Fd(syscall("socket", path, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), path);
    try {
      const timeout = new BigInt64Array([BigInt(SECONDS), 0n]);
      syscall("setsockopt", path, socket.number, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.byteLength);
      syscall("connect", path, socket.number, where, where.length);
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  }
  throw new Error(`no address of a unix socket in ${JSON.stringify(address)}`);
}
