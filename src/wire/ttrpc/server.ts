// The serving side of ttrpc: unary services on a unix socket. One connection's mistakes end that connection only.
import type { Socket } from "bun";
import { ServiceError } from "../containerd/services.ts";
import { DecodeError, decode, encode, type Message, type MessageType } from "./codec.ts";
import { Connection, socketPath } from "./connection.ts";
import {
  FLAG_REMOTE_OPEN,
  type Frame,
  FrameReader,
  MAX_MESSAGE,
  TYPE_DATA,
  TYPE_REQUEST,
  TYPE_RESPONSE,
} from "./frame.ts";
import { Request, Response } from "./messages/rpc.ts";
import type { CallContext, Handlers, Service } from "./service.ts";
import { statusOf } from "./status.ts";

type Handler = (request: unknown, context: CallContext) => unknown;
interface Method {
  request: MessageType;
  response: MessageType;
  handler: Handler;
  repeatable: boolean;
}

/** Calls that one connection may have open. A shim's clients hold one Wait a process. */
const MAX_CALLS = 16384;

type RequestMessage = Message<typeof Request>;

function tooBig(length: number): { code: number; message: string } {
  return statusOf(
    new ServiceError("ResourceExhausted", `ttrpc: message of ${length} bytes exceeds ${MAX_MESSAGE}`),
  );
}

/** A connection as another process can go on with it. */
export interface SavedConnection {
  fd: number;
  /** The unfinished frame. */
  held: Uint8Array;
  skip: number;
  lastStream: number;
  refused: number[];
  /** Calls without an answer yet: stream and request. */
  calls: { stream: number; request: Uint8Array }[];
}

interface OpenCall {
  request: Uint8Array;
  abort: AbortController;
  /** May be asked again from the start by whoever takes the connection over. */
  repeatable: boolean;
}

class ServedConnection {
  readonly connection: Connection;
  #calls = new Map<number, OpenCall>();
  /** Begun as streaming calls and refused: their data frames are dropped. */
  #refused = new Set<number>();
  #lastStream = -1;

  constructor(
    socket: Socket<unknown>,
    private readonly methods: ReadonlyMap<string, Method>,
    private readonly onActivity: () => void,
    onClose: (why: Error | undefined) => void,
    saved?: SavedConnection,
  ) {
    if (saved) {
      this.#lastStream = saved.lastStream;
      this.#refused = new Set(saved.refused);
    }
    this.connection = new Connection(
      socket,
      (frame) => this.#frame(frame),
      (why) => {
        for (const call of this.#calls.values()) call.abort.abort();
        this.#calls.clear();
        onClose(why);
      },
      saved && FrameReader.restore(saved),
    );
    for (const { stream, request } of saved?.calls ?? []) this.#request(stream, 0, request);
  }

  /** For another process to go on with; undefined while there is something that only this one can finish. */
  save(): SavedConnection | undefined {
    const at = this.connection.save();
    if (!at || ![...this.#calls.values()].every(({ repeatable }) => repeatable)) return undefined;
    return {
      ...at,
      lastStream: this.#lastStream,
      refused: [...this.#refused],
      calls: [...this.#calls].map(([stream, { request }]) => ({ stream, request })),
    };
  }

  #answer(stream: number, status: { code: number; message: string } | undefined, payload?: Uint8Array): void {
    let bytes = encode(Response, { status, payload });
    if (bytes.length > MAX_MESSAGE) {
      bytes = encode(Response, { status: tooBig(bytes.length) });
    }
    this.connection.send(stream, TYPE_RESPONSE, bytes);
  }

  /** Answers with the error and ends the connection: what follows cannot be trusted to be frames. */
  #broken(stream: number, message: string): void {
    this.#answer(stream, { code: 3, message: `ttrpc: ${message}` });
    this.connection.close(new Error(`ttrpc: ${message}`));
  }

  #frame({ stream, type, flags, payload, oversize }: Frame): void {
    this.onActivity();
    if (type === TYPE_DATA && this.#refused.has(stream)) return;
    if (type !== TYPE_REQUEST) {
      this.#broken(stream, `unexpected frame of type ${type} on stream ${stream}`);
    } else if (stream % 2 === 0) {
      this.#broken(stream, `stream ${stream} is not one that a client may begin`);
    } else if (stream <= this.#lastStream) {
      this.#broken(stream, `stream ${stream} was begun after stream ${this.#lastStream}`);
    } else {
      this.#lastStream = stream;
      if (oversize === undefined) this.#request(stream, flags, payload);
      else this.#answer(stream, tooBig(oversize));
    }
  }

  #request(stream: number, flags: number, payload: Uint8Array): void {
    let request: RequestMessage;
    try {
      request = decode(Request, payload);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#broken(stream, error.message);
      return;
    }
    if (flags & FLAG_REMOTE_OPEN) {
      this.#refused.add(stream);
      const what = `${request.service}/${request.method}`;
      this.#answer(
        stream,
        statusOf(new ServiceError("Unimplemented", `${what}: streams are not served here`)),
      );
      return;
    }
    void this.#call(stream, request, payload);
  }

  async #call(stream: number, request: RequestMessage, bytes: Uint8Array): Promise<void> {
    const method = this.methods.get(`${request.service}/${request.method}`);
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      if (!method)
        throw new ServiceError("Unimplemented", `/${request.service}/${request.method}: no such method here`);
      if (this.#calls.size >= MAX_CALLS)
        throw new ServiceError("ResourceExhausted", `ttrpc: ${MAX_CALLS} calls are open on this connection`);
      let message: unknown;
      try {
        message = decode(method.request, request.payload);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        throw new ServiceError("InvalidArgument", error.message);
      }
      const abort = new AbortController();
      const repeatable = method.repeatable && request.timeoutNano === 0n;
      this.#calls.set(stream, { request: bytes, abort, repeatable });
      const metadata = new Map<string, string[]>();
      for (const { key, value } of request.metadata)
        metadata.set(key.toLowerCase(), [...(metadata.get(key.toLowerCase()) ?? []), value]);
      let answer = Promise.resolve(method.handler(message, { signal: abort.signal, metadata }));
      if (request.timeoutNano > 0n) {
        const late = new Promise<never>((_resolve, reject) => {
          // setTimeout's range ends at 2^31 ms.
          const ms = Math.min(Number(request.timeoutNano) / 1e6, 0x7fffffff);
          timer = setTimeout(() => {
            reject(new ServiceError("DeadlineExceeded", "context deadline exceeded"));
            abort.abort();
          }, ms);
        });
        answer = Promise.race([answer, late]);
      }
      this.#answer(stream, undefined, encode(method.response, (await answer) as never));
    } catch (error) {
      this.#answer(stream, statusOf(error));
    } finally {
      clearTimeout(timer);
      this.#calls.delete(stream);
      this.onActivity();
    }
  }
}

export class TtrpcServer {
  #methods = new Map<string, Method>();
  #connections = new Set<ServedConnection>();
  #listener: { stop(force?: boolean): void; unref(): void } | undefined;

  /** `onError` learns why a connection was ended for a broken frame, `onActivity` that something was asked or answered. */
  constructor(
    private readonly onError: (error: Error) => void = () => {},
    private readonly onActivity: () => void = () => {},
  ) {}

  /** `repeatable`: methods that only wait, so that a process that takes over may begin them again (`save`). */
  register<S extends Service>(
    of: S,
    handlers: Handlers<S>,
    repeatable: readonly (keyof S["methods"])[] = [],
  ): this {
    for (const [key, [name, request, response]] of Object.entries(of.methods)) {
      const handler = handlers[key as keyof typeof handlers] as Handler;
      this.#methods.set(`${of.name}/${name}`, {
        request,
        response,
        handler,
        repeatable: repeatable.includes(key),
      });
    }
    return this;
  }

  /** Serves on a unix socket: a path (which must not exist) or an inherited, already listening descriptor. */
  listen(on: { address: string } | { fd: number }): void {
    // Bun.listen takes an inherited listening socket by `fd`, which its types do not know.
    const where =
      "fd" in on ? ({ fd: on.fd } as unknown as { unix: string }) : { unix: socketPath(on.address) };
    const socket = this.#events();
    this.#listener = Bun.listen({ ...where, socket } as Parameters<typeof Bun.listen>[0]);
  }

  /** Goes on with a connection that another process served until now. */
  async adopt(saved: SavedConnection): Promise<void> {
    const on = { fd: saved.fd, socket: this.#events(saved) };
    await Bun.connect(on as unknown as Parameters<typeof Bun.connect>[0]);
  }

  /** Every connection, for another process to go on with; undefined while one of them cannot be left. */
  save(): SavedConnection[] | undefined {
    const all: SavedConnection[] = [];
    for (const each of this.#connections) {
      const saved = each.save();
      if (!saved) return undefined;
      all.push(saved);
    }
    return all;
  }

  #events(saved?: SavedConnection) {
    const served = new WeakMap<object, ServedConnection>();
    const of = (socket: object) => served.get(socket)!.connection;
    return {
      binaryType: "uint8array" as const,
      open: (socket: Socket<unknown>) => {
        const each = new ServedConnection(
          socket,
          this.#methods,
          this.onActivity,
          (why) => {
            this.#connections.delete(each);
            this.onActivity();
            if (why) this.onError(why);
          },
          saved,
        );
        served.set(socket, each);
        this.#connections.add(each);
        this.onActivity();
      },
      data: (socket: Socket<unknown>, chunk: Uint8Array) => of(socket).data(chunk),
      drain: (socket: Socket<unknown>) => of(socket).drain(),
      close: (socket: Socket<unknown>) => of(socket).close(),
      error: (socket: Socket<unknown>, error: Error) => of(socket).close(error),
    };
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Stops listening and ends the connections that came that way. */
  deafen(): void {
    this.#listener?.stop(true);
    this.#listener = undefined;
  }

  /** Stops listening and ends every connection. A socket file that was inherited is the caller's to remove. */
  close(): void {
    this.#listener?.stop(true);
    for (const each of this.#connections) each.connection.close();
  }
}
