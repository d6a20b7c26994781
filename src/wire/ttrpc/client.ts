// The calling side of ttrpc: one connection, many unary calls at a time.
import type { Socket } from "bun";
import type { Fd } from "../../../ffi/fd.ts";
import { ServiceError } from "../containerd/services.ts";
import { DecodeError, decode, encode, type MessageType } from "./codec.ts";
import { Connection, socketPath } from "./connection.ts";
import { type Frame, MAX_MESSAGE, TYPE_REQUEST, TYPE_RESPONSE } from "./frame.ts";
import { Request, Response } from "./messages/rpc.ts";
import type { Caller, CallOptions, Service } from "./service.ts";
import { errorOf } from "./status.ts";

interface Pending {
  type: MessageType;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  done: () => void;
}

export class TtrpcClient {
  #connection!: Connection;
  #pending = new Map<number, Pending>();
  #nextStream = 1;
  #closed = Promise.withResolvers<Error | undefined>();
  #listeners = new Set<() => void>();

  private constructor(readonly address: string) {}

  /** Connects to a unix socket. Rejects with Unavailable when nobody listens there. */
  static async connect(address: string): Promise<TtrpcClient> {
    const client = new TtrpcClient(address);
    try {
      await Bun.connect({ unix: socketPath(address), socket: client.#events() });
    } catch (cause) {
      const { code, message } = cause as { code?: string; message: string };
      throw new ServiceError("Unavailable", `ttrpc: cannot connect to ${address}: ${code ?? message}`, {
        cause,
      });
    }
    return client;
  }

  /** Calls over a socket that is connected already, which it takes. */
  static async over(connected: Fd): Promise<TtrpcClient> {
    const client = new TtrpcClient(connected.path);
    // Bun's types do not know that it takes a descriptor.
    const on = { fd: connected.release(), socket: client.#events() } as unknown;
    await Bun.connect(on as Parameters<typeof Bun.connect>[0]);
    return client;
  }

  #events() {
    return {
      binaryType: "uint8array" as const,
      open: (socket: Socket<unknown>) => {
        this.#connection = new Connection(
          socket,
          (frame) => this.#frame(frame),
          (why) => this.#end(why),
        );
      },
      data: (_socket: Socket<unknown>, chunk: Uint8Array) => this.#connection.data(chunk),
      drain: () => this.#connection.drain(),
      close: (_socket: Socket<unknown>, error?: Error) => this.#connection.close(error),
      error: (_socket: Socket<unknown>, error: Error) => this.#connection.close(error),
    };
  }

  /** Resolves once the connection has ended, with the reason when it was not a normal end. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise;
  }

  /**
   * Calls back once the connection has ended, also when it has already. The result takes that back, which `closed` cannot:
   * whoever waits for that stays in memory for as long as the connection lives.
   */
  onClosed(told: () => void): () => void {
    const listener = () => {
      if (this.#listeners.delete(listener)) told();
    };
    this.#listeners.add(listener);
    if (!this.isOpen) queueMicrotask(listener);
    return () => void this.#listeners.delete(listener);
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  close(): void {
    this.#connection.close();
  }

  /** Lets the process exit although the connection is open. */
  unref(): void {
    this.#connection.unref();
  }

  /** The service's methods as functions. Each throws ServiceError. */
  service<S extends Service>(of: S): Caller<S> {
    const caller: Record<string, unknown> = {};
    for (const [method, [name, request, response]] of Object.entries(of.methods)) {
      caller[method] = (value: unknown, options?: CallOptions) =>
        this.#call(of.name, name, encode(request, value as never), response, options);
    }
    return caller as Caller<S>;
  }

  #call(
    service: string,
    method: string,
    payload: Uint8Array,
    response: MessageType,
    options: CallOptions = {},
  ): Promise<unknown> {
    const bytes = encode(Request, {
      service,
      method,
      payload,
      timeoutNano: BigInt(Math.round(options.timeout ?? 0)) * 1_000_000n,
      metadata: Object.entries(options.metadata ?? {}).map(([key, value]) => ({ key, value })),
    });
    if (bytes.length > MAX_MESSAGE)
      return Promise.reject(
        new ServiceError(
          "ResourceExhausted",
          `ttrpc: message of ${bytes.length} bytes exceeds ${MAX_MESSAGE}`,
        ),
      );
    if (!this.isOpen) return Promise.reject(new ServiceError("Unavailable", "ttrpc: closed"));
    return new Promise((resolve, reject) => {
      const stream = this.#nextStream;
      this.#nextStream += 2;
      const { signal, timeout } = options;
      const fail = (error: Error) => {
        const entry = this.#pending.get(stream);
        this.#pending.delete(stream);
        entry?.done();
        reject(error);
      };
      const abort = () => fail(new ServiceError("Canceled", `ttrpc: ${method} was canceled`));
      const timer = timeout
        ? setTimeout(
            () =>
              fail(new ServiceError("DeadlineExceeded", `ttrpc: ${method} got no answer in ${timeout} ms`)),
            timeout,
          )
        : undefined;
      this.#pending.set(stream, {
        type: response,
        resolve,
        reject,
        done: () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", abort);
        },
      });
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort);
      this.#connection.send(stream, TYPE_REQUEST, bytes);
    });
  }

  #frame({ stream, type, payload, oversize }: Frame): void {
    const entry = this.#pending.get(stream);
    // An answer that came after its call was given up.
    if (!entry && type === TYPE_RESPONSE && stream % 2 === 1 && stream < this.#nextStream) return;
    if (!entry || type !== TYPE_RESPONSE) {
      this.#connection.close(new Error(`ttrpc: unexpected frame of type ${type} on stream ${stream}`));
      return;
    }
    this.#pending.delete(stream);
    entry.done();
    if (oversize !== undefined) {
      entry.reject(
        new ServiceError("ResourceExhausted", `ttrpc: answer of ${oversize} bytes exceeds ${MAX_MESSAGE}`),
      );
      return;
    }
    try {
      const { status, payload: answer } = decode(Response, payload);
      if (status && status.code !== 0) entry.reject(errorOf(status));
      else entry.resolve(decode(entry.type, answer));
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause;
      const error = new ServiceError("Internal", `ttrpc: ${cause.message}`, { cause });
      entry.reject(error);
      this.#connection.close(error);
    }
  }

  #end(why: Error | undefined): void {
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    for (const call of calls) {
      call.done();
      call.reject(new ServiceError("Unavailable", why ? `ttrpc: closed: ${why.message}` : "ttrpc: closed"));
    }
    this.#closed.resolve(why);
    for (const listener of this.#listeners) listener();
  }
}
