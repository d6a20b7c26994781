// gRPC calls over a connection that somebody else opened: the daemon's side of a BuildKit session, where the roles are turned
// round and the client that dialled is the server. grpc-js dials for itself and takes no connection from outside.
import { type ClientHttp2Session, connect } from "node:http2";
import type { Duplex as Socket } from "node:stream";
import {
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { ServiceError } from "../containerd/services.ts";
import { errorOf } from "../ttrpc/status.ts";
import { Deframer, frame } from "./frames.ts";

export interface CallOptions {
  /** Header fields; ASCII. Several values of one name go as several fields. */
  metadata?: Readonly<Record<string, string | readonly string[]>>;
  /** Ends the call. */
  signal?: AbortSignal;
}

/** A call with messages both ways. */
export interface Call<I extends DescMessage, O extends DescMessage> {
  /** Resolves when there is room for more. Throws when the call has failed. */
  send(message: MessageInitShape<I>): Promise<void>;
  /** The next answer; undefined when the peer has ended the call. Throws the ServiceError that it failed with. */
  receive(): Promise<MessageShape<O> | undefined>;
  /** Nothing more will be sent. */
  end(): void;
  /** Gives the call up. */
  cancel(): void;
}

const percentDecoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** The failure that a call's last header fields tell of; undefined for success. */
function failureIn(fields: Record<string, unknown>): ServiceError | undefined {
  const status = fields["grpc-status"];
  if (status === undefined || Number(status) === 0) return undefined;
  return errorOf({ code: Number(status), message: percentDecoded(String(fields["grpc-message"] ?? "")) });
}

export class GrpcConnection {
  readonly #session: ClientHttp2Session;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;

  constructor(socket: Socket) {
    const session = connect("http://localhost", { createConnection: () => socket });
    this.#session = session;
    this.closed = new Promise((resolve) => {
      session.once("close", () => resolve());
      socket.once("close", () => resolve());
    });
    // Each call tells of it.
    session.on("error", () => {});
  }

  get gone(): boolean {
    return this.#session.closed || this.#session.destroyed;
  }

  close(): void {
    this.#session.destroy();
  }

  /** One question, one answer. Throws ServiceError. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const call = this.call(method, method.input, method.output, options);
    await call.send(request);
    call.end();
    const answer = await call.receive();
    if (answer === undefined) {
      throw new ServiceError("Internal", `${method.name}: the peer ended the call without an answer`);
    }
    // A status other than 0 may follow the answer.
    await call.receive();
    return answer;
  }

  duplex<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    options: CallOptions = {},
  ): Call<I, O> {
    return this.call(method, method.input, method.output, options);
  }

  /** A call whose messages are other than its description says (FileSend carries packets under the name of bytes). */
  call<I extends DescMessage, O extends DescMessage>(
    { parent, name }: { parent: { typeName: string }; name: string },
    input: I,
    output: O,
    { metadata = {}, signal }: CallOptions = {},
  ): Call<I, O> {
    if (this.gone) throw new ServiceError("Unavailable", "the session with the client is gone");
    const stream = this.#session.request({
      ":method": "POST",
      ":scheme": "http",
      ":path": `/${parent.typeName}/${name}`,
      "content-type": "application/grpc",
      te: "trailers",
      ...(metadata as Record<string, string | string[]>),
    });
    let failure: Error | undefined;
    let answered = false;
    stream.on("response", (fields) => {
      answered = true;
      failure ??= failureIn(fields);
    });
    stream.on("trailers", (fields) => {
      answered = true;
      failure ??= failureIn(fields);
    });
    stream.on("error", (error) => {
      failure ??= new ServiceError("Unavailable", `the session with the client failed: ${error.message}`);
    });
    const cancel = (): void => {
      failure ??= new ServiceError("Canceled", "context canceled");
      stream.close(8); // CANCEL
    };
    if (signal?.aborted) cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    stream.once("close", () => signal?.removeEventListener("abort", cancel));
    const deframer = new Deframer();
    const incoming = (async function* () {
      try {
        for await (const chunk of stream) {
          deframer.push(chunk as Buffer);
          for (let one = deframer.next(); one; one = deframer.next()) yield one;
        }
      } catch (error) {
        failure ??= error as Error;
      }
      if (failure) throw failure;
      if (!answered) throw new ServiceError("Unavailable", "the session with the client is gone");
    })();
    return {
      async send(message) {
        if (failure) throw failure;
        if (stream.closed || stream.destroyed) {
          throw new ServiceError("Unavailable", "the session with the client is gone");
        }
        const room = stream.write(frame(toBinary(input, create(input, message))));
        if (room) return;
        await new Promise<void>((resolve) => {
          const done = (): void => {
            stream.off("drain", done);
            stream.off("close", done);
            resolve();
          };
          stream.on("drain", done);
          stream.on("close", done);
        });
      },
      async receive() {
        const { value, done } = await incoming.next();
        return done ? undefined : fromBinary(output, value);
      },
      end: () => void stream.end(),
      cancel,
    };
  }
}
