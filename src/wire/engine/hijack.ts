// A request whose connection becomes a raw two-way stream (attach, exec start). Engine API, "Hijacking".
import type { Socket } from "bun";
import { EngineError } from "./errors.ts";

export interface HijackTarget {
  unix?: string;
  hostname?: string;
  port?: number;
  tls?: Bun.TLSOptions;
}

export interface HijackRequest {
  /** Path with version and query. */
  path: string;
  headers: Record<string, string>;
  body?: string;
}

/** The raw connection. Reading is pulled: while nobody asks, the socket is paused and the engine feels it. */
export class Hijacked {
  /** Content-Type of the answer: application/vnd.docker.raw-stream or …multiplexed-stream. */
  mediaType = "";
  #socket: Socket<undefined> | undefined;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #ended = false;
  #failure: unknown;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  #paused = false;

  /** @internal */ opened(socket: Socket<undefined>): void {
    this.#socket = socket;
  }

  /** @internal */ received(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    if (this.#size > 1 << 20 && !this.#paused) {
      this.#paused = true;
      this.#socket?.pause();
    }
    this.#wakeReader?.();
  }

  /** @internal */ finished(failure?: unknown): void {
    this.#ended = true;
    this.#failure ??= failure;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  /** @internal */ drained(): void {
    this.#wakeWriter?.();
  }

  /** The bytes the engine sends, until it ends its side. */
  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#size -= chunk.length;
        if (this.#paused && this.#size < 1 << 18) {
          this.#paused = false;
          this.#socket?.resume();
        }
        yield chunk;
        continue;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
      this.#wakeReader = undefined;
    }
  }

  /** Sends all of `bytes`; resolves when the kernel has them. false: the connection is gone. */
  async write(bytes: Uint8Array): Promise<boolean> {
    let at = 0;
    while (at < bytes.length) {
      if (this.#ended || !this.#socket) return false;
      const sent = this.#socket.write(bytes, at, bytes.length - at);
      if (sent < 0) return false;
      at += sent;
      if (at < bytes.length) {
        await new Promise<void>((resolve) => {
          this.#wakeWriter = resolve;
        });
        this.#wakeWriter = undefined;
      }
    }
    return true;
  }

  /** Half-closes: the engine sees the end of stdin, its output still comes. */
  closeWrite(): void {
    if (!this.#ended) this.#socket?.shutdown();
  }

  close(): void {
    this.#socket?.terminate();
  }
}

const HEAD_LIMIT = 1 << 20;

function indexOfHeadEnd(bytes: Uint8Array): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf("\r\n\r\n");
}

/** Opens a hijacked connection. Throws EngineError when the engine refuses, the socket's error when nobody is there. */
export function hijack(target: HijackTarget, request: HijackRequest): Promise<Hijacked> {
  const stream = new Hijacked();
  const { promise, resolve, reject } = Promise.withResolvers<Hijacked>();
  let head: Uint8Array = new Uint8Array(0);
  let state: "head" | "refusal" | "stream" = "head";
  let status = 0;

  const refuse = (): void => {
    const text = new TextDecoder().decode(head);
    const at = text.indexOf("{");
    let reason = text.trim();
    try {
      const end = text.lastIndexOf("}");
      reason = (JSON.parse(text.slice(at, end + 1)) as { message?: string }).message ?? reason;
    } catch {
      // Not the engine's JSON: some proxy's words, shown as they are.
    }
    reject(new EngineError(status, reason));
  };

  const onData = (socket: Socket<undefined>, data: Uint8Array): void => {
    if (state === "stream") {
      stream.received(data.slice());
      return;
    }
    head = head.length === 0 ? data.slice() : Buffer.concat([head, data]);
    if (state === "refusal") return;
    const end = indexOfHeadEnd(head);
    if (end < 0) {
      if (head.length > HEAD_LIMIT) {
        reject(new Error("malformed HTTP response: header too long"));
        socket.terminate();
      }
      return;
    }
    const [first, ...fields] = new TextDecoder().decode(head.subarray(0, end)).split("\r\n");
    status = Number(/^HTTP\/1\.\d (\d{3})/.exec(first ?? "")?.[1] ?? 0);
    const rest = head.slice(end + 4);
    if (status === 101 || status === 200) {
      state = "stream";
      const type = fields.find((field) => /^content-type:/i.test(field));
      stream.mediaType = type ? type.slice(type.indexOf(":") + 1).trim() : "";
      resolve(stream);
      if (rest.length > 0) stream.received(rest);
      return;
    }
    state = "refusal";
    head = rest;
    const length = Number(/^content-length:\s*(\d+)/im.exec(fields.join("\n"))?.[1] ?? -1);
    if (length >= 0 && rest.length >= length) {
      refuse();
      socket.terminate();
    }
  };

  const onEnd = (failure?: unknown): void => {
    if (state === "stream") stream.finished(failure);
    else if (state === "refusal") refuse();
    else reject(failure ?? new Error("unexpected EOF from the engine"));
  };

  const body = request.body ?? "";
  const headers: Record<string, string> = {
    Host: target.unix === undefined ? `${target.hostname}:${target.port}` : "docker",
    ...request.headers,
    ...(body === "" ? {} : { "Content-Type": "application/json" }),
    "Content-Length": String(Buffer.byteLength(body)),
    Connection: "Upgrade",
    Upgrade: "tcp",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const text = new TextEncoder().encode(
    `POST ${request.path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`,
  );

  const socket = {
    open(opened: Socket<undefined>) {
      stream.opened(opened);
      void stream.write(text);
    },
    data: onData,
    drain: () => stream.drained(),
    end: () => onEnd(),
    close: (_socket: Socket<undefined>, error?: Error) => onEnd(error),
    error: (_socket: Socket<undefined>, error: Error) => onEnd(error),
    connectError: (_socket: Socket<undefined>, error: Error) => reject(error),
  };
  connect(target, socket).catch(reject);
  return promise;
}

function connect(target: HijackTarget, socket: Bun.SocketHandler<undefined>): Promise<Socket<undefined>> {
  return target.unix !== undefined
    ? Bun.connect({ unix: target.unix, allowHalfOpen: true, socket })
    : Bun.connect({
        hostname: target.hostname!.replace(/^\[|\]$/g, ""),
        port: target.port!,
        ...(target.tls ? { tls: target.tls } : {}),
        allowHalfOpen: true,
        socket,
      });
}

/** The bare connection, for who speaks HTTP over it themselves. Throws the socket's error when nobody is there. */
export async function dial(target: HijackTarget): Promise<Hijacked> {
  const stream = new Hijacked();
  await connect(target, {
    open: (opened) => stream.opened(opened),
    data: (_socket, data) => stream.received(data.slice()),
    drain: () => stream.drained(),
    end: () => stream.finished(),
    close: (_socket, error) => stream.finished(error),
    error: (_socket, error) => stream.finished(error),
  });
  return stream;
}
