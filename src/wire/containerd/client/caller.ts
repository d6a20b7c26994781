// A gRPC service from its protobuf descriptor as typed calls: what the client side of every noun is made of.
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Client, type ClientDuplexStream, Metadata } from "@grpc/grpc-js";
import { currentLease, LEASE_HEADER } from "../lease.ts";
import { NAMESPACE_HEADER } from "../namespace.ts";
import { errorOf } from "../status.ts";
import { readStream, writeStream } from "../stream.ts";

/** A call with messages both ways. */
export interface Duplex<I, O> {
  send(message: I): Promise<void>;
  /** The next answer; undefined when the server has ended the call. Throws what it failed with. */
  receive(): Promise<O | undefined>;
  /** Says that nothing more comes and waits until the server has ended the call too. */
  end(): Promise<void>;
  /** Ends the call at once; receivers get undefined or Canceled. */
  cancel(): void;
}

type CallOf<M> = M extends { methodKind: infer K; input: infer I; output: infer O }
  ? I extends DescMessage
    ? O extends DescMessage
      ? K extends "unary"
        ? (
            ns: string | undefined,
            request: MessageInitShape<I>,
            signal?: AbortSignal,
          ) => Promise<MessageShape<O>>
        : K extends "server_streaming"
          ? (
              ns: string | undefined,
              request: MessageInitShape<I>,
              signal?: AbortSignal,
            ) => AsyncIterable<MessageShape<O>>
          : (ns: string | undefined) => Duplex<MessageInitShape<I>, MessageShape<O>>
      : never
    : never
  : never;

export type Caller<S extends DescService> = { [M in keyof S["method"]]: CallOf<S["method"][M]> };

type Message = MessageShape<DescMessage>;
type Init = MessageInitShape<DescMessage>;

function headers(ns: string | undefined): Metadata {
  const metadata = new Metadata();
  if (ns !== undefined) metadata.set(NAMESPACE_HEADER, ns);
  const lease = currentLease();
  if (lease !== undefined) metadata.set(LEASE_HEADER, lease);
  return metadata;
}

const pathOf = (method: DescMethod) => `/${method.parent.typeName}/${method.name}`;
const serializer = (method: DescMethod) => (value: Message) => Buffer.from(toBinary(method.input, value));
const deserializer = (method: DescMethod) => (value: Buffer) => fromBinary(method.output, value);

function unary(client: Client, method: DescMethod) {
  const serialize = serializer(method);
  const deserialize = deserializer(method);
  return (ns: string | undefined, request: Init, signal?: AbortSignal) =>
    new Promise<Message>((resolve, reject) => {
      const message = create(method.input, request);
      const cancel = () => call.cancel();
      const call = client.makeUnaryRequest(
        pathOf(method),
        serialize,
        deserialize,
        message,
        headers(ns),
        (error, answer) => {
          signal?.removeEventListener("abort", cancel);
          if (error) reject(errorOf(error));
          else resolve(answer as Message);
        },
      );
      signal?.addEventListener("abort", cancel, { once: true });
      if (signal?.aborted) cancel();
    });
}

function serverStreaming(client: Client, method: DescMethod) {
  return (ns: string | undefined, request: Init, signal?: AbortSignal): AsyncIterable<Message> => {
    // The call is made now, not at the first read: a subscription begins with the call.
    const stream = client.makeServerStreamRequest(
      pathOf(method),
      serializer(method),
      deserializer(method),
      create(method.input, request),
      headers(ns),
    );
    const never = new AbortController().signal;
    const answers = readStream<Message>(stream, signal ?? never);
    const cancel = () => stream.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    return (async function* () {
      try {
        yield* answers;
      } catch (error) {
        if (!signal?.aborted) throw errorOf(error);
      } finally {
        signal?.removeEventListener("abort", cancel);
        stream.cancel();
      }
    })();
  };
}

function duplex(client: Client, method: DescMethod) {
  return (ns: string | undefined): Duplex<Init, Message> => {
    const stream: ClientDuplexStream<Message, Message> = client.makeBidiStreamRequest(
      pathOf(method),
      serializer(method),
      deserializer(method),
      headers(ns),
    );
    const gone = new AbortController();
    stream.on("status", () => gone.abort());
    const answers = readStream<Message>(stream, new AbortController().signal);
    const receive = async () => {
      try {
        const next = await answers.next();
        return next.done ? undefined : next.value;
      } catch (error) {
        throw errorOf(error);
      }
    };
    return {
      async send(message) {
        if (gone.signal.aborted) return;
        await writeStream(stream, create(method.input, message), gone.signal);
      },
      receive,
      cancel: () => stream.cancel(),
      async end() {
        stream.end();
        try {
          while ((await receive()) !== undefined);
        } catch {
          // Whoever ends a call has had its answers.
        }
      },
    };
  };
}

/** All methods of a service on one channel. */
export function caller<S extends DescService>(client: Client, service: S): Caller<S> {
  const calls: Record<string, unknown> = {};
  for (const method of service.methods) {
    const make =
      method.methodKind === "unary"
        ? unary
        : method.methodKind === "server_streaming"
          ? serverStreaming
          : duplex;
    calls[method.localName] = make(client, method);
  }
  return calls as Caller<S>;
}
