// The serving side of ttrpc: unary services on a unix socket. One connection's mistakes end that connection only.
import type { Socket } from "bun";
import { ServiceError } from "../containerd/services.ts";
import { DecodeError, decode, encode, type Message, type MessageType } from "./codec.ts";
import { Connection, socketPath } from "./connection.ts";
import {
  FLAG_REMOTE_OPEN,
  type Frame,
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
}

/** Calls that one connection may have open. A shim's clients hold one Wait a process. */
const MAX_CALLS = 16384;

type RequestMessage = Message<typeof Request>;

function tooBig(length: number): { code: number; message: string } {
  return statusOf(
    new ServiceError("ResourceExhausted", `ttrpc: message of ${length} bytes exceeds ${MAX_MESSAGE}`),
  );
}

class ServedConnection {
  readonly connection: Connection;
  #calls = new Map<number, AbortController>();
  /** Begun as streaming calls and refused: their data frames are dropped. */
  #refused = new Set<number>();
  #lastStream = -1;

  constructor(
    socket: Socket<unknown>,
    private readonly methods: ReadonlyMap<string, Method>,
    onClose: (why: Error | undefined) => void,
  ) {
    this.connection = new Connection(
      socket,
      (frame) => this.#frame(frame),
      (why) => {
        for (const call of this.#calls.values()) call.abort();
        this.#calls.clear();
        onClose(why);
      },
    );
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
    void this.#call(stream, request);
  }

  async #call(stream: number, request: RequestMessage): Promise<void> {
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
      const call = new AbortController();
      this.#calls.set(stream, call);
      const metadata = new Map<string, string[]>();
      for (const { key, value } of request.metadata)
        metadata.set(key.toLowerCase(), [...(metadata.get(key.toLowerCase()) ?? []), value]);
      let answer = Promise.resolve(method.handler(message, { signal: call.signal, metadata }));
      if (request.timeoutNano > 0n) {
        const late = new Promise<never>((_resolve, reject) => {
          // setTimeout's range ends at 2^31 ms.
          const ms = Math.min(Number(request.timeoutNano) / 1e6, 0x7fffffff);
          timer = setTimeout(() => {
            reject(new ServiceError("DeadlineExceeded", "context deadline exceeded"));
            call.abort();
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
    }
  }
}

export class TtrpcServer {
  #methods = new Map<string, Method>();
  #connections = new Set<ServedConnection>();
  #listener: { stop(force?: boolean): void; unref(): void } | undefined;

  /** `onError` learns why a connection was ended for a broken frame. */
  constructor(private readonly onError: (error: Error) => void = () => {}) {}

  register<S extends Service>(of: S, handlers: Handlers<S>): this {
    for (const [key, [name, request, response]] of Object.entries(of.methods)) {
      const handler = handlers[key as keyof typeof handlers] as Handler;
      this.#methods.set(`${of.name}/${name}`, { request, response, handler });
    }
    return this;
  }

  /** Serves on a unix socket: a path (which must not exist) or an inherited, already listening descriptor. */
  listen(on: { address: string } | { fd: number }): void {
    const served = new WeakMap<object, ServedConnection>();
    const of = (socket: object) => served.get(socket)!.connection;
    const socket = {
      binaryType: "uint8array" as const,
      open: (socket: Socket<unknown>) => {
        const each = new ServedConnection(socket, this.#methods, (why) => {
          this.#connections.delete(each);
          if (why) this.onError(why);
        });
        served.set(socket, each);
        this.#connections.add(each);
      },
      data: (socket: Socket<unknown>, chunk: Uint8Array) => of(socket).data(chunk),
      drain: (socket: Socket<unknown>) => of(socket).drain(),
      close: (socket: Socket<unknown>) => of(socket).close(),
      error: (socket: Socket<unknown>, error: Error) => of(socket).close(error),
    };
    // Bun.listen takes an inherited listening socket by `fd`, which its types do not know.
    const where =
      "fd" in on ? ({ fd: on.fd } as unknown as { unix: string }) : { unix: socketPath(on.address) };
    this.#listener = Bun.listen({ ...where, socket } as Parameters<typeof Bun.listen>[0]);
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Stops listening and ends every connection. A socket file that was inherited is the caller's to remove. */
  close(): void {
    this.#listener?.stop(true);
    for (const each of this.#connections) each.connection.close();
  }
}
