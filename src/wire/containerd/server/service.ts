// A gRPC service from its protobuf descriptor and typed handlers: what grpc-js needs to serve it.
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
import type {
  MethodDefinition,
  Server,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedHandleCall,
} from "@grpc/grpc-js";
import { withLease } from "../lease.ts";
import { statusOf } from "../status.ts";
import { readStream, writeStream } from "../stream.ts";
import { Call } from "./call.ts";

/** The handler that a method's kind asks for. Answers may be partial messages. */
type HandlerOf<M> = M extends { methodKind: infer K; input: infer I; output: infer O }
  ? I extends DescMessage
    ? O extends DescMessage
      ? K extends "unary"
        ? (request: MessageShape<I>, call: Call) => Promise<MessageInitShape<O>>
        : K extends "server_streaming"
          ? (request: MessageShape<I>, call: Call) => AsyncIterable<MessageInitShape<O>>
          : K extends "bidi_streaming"
            ? (requests: AsyncIterable<MessageShape<I>>, call: Call) => AsyncIterable<MessageInitShape<O>>
            : never
      : never
    : never
  : never;

export type Handlers<S extends DescService> = { [M in keyof S["method"]]: HandlerOf<S["method"][M]> };

type Message = MessageShape<DescMessage>;

function definition(method: DescMethod): MethodDefinition<Message, Message> {
  const streams = method.methodKind;
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: streams === "client_streaming" || streams === "bidi_streaming",
    responseStream: streams === "server_streaming" || streams === "bidi_streaming",
    requestSerialize: (value) => Buffer.from(toBinary(method.input, value)),
    requestDeserialize: (value) => fromBinary(method.input, value),
    responseSerialize: (value) => Buffer.from(toBinary(method.output, value)),
    responseDeserialize: (value) => fromBinary(method.output, value),
  };
}

type Untyped = (request: unknown, call: Call) => unknown;

function unary(method: DescMethod, handler: Untyped) {
  return async (on: ServerUnaryCall<Message, Message>, done: sendUnaryData<Message>) => {
    const call = new Call(on);
    try {
      const answer = await withLease(call.lease, () => handler(on.request, call));
      done(null, create(method.output, answer as MessageInitShape<DescMessage>));
    } catch (error) {
      done(statusOf(error));
    } finally {
      call.end();
    }
  };
}

function streaming(method: DescMethod, handler: Untyped) {
  return async (on: ServerWritableStream<Message, Message> | ServerDuplexStream<Message, Message>) => {
    const call = new Call(on);
    try {
      const request = "request" in on ? on.request : readStream(on, call.signal);
      await withLease(call.lease, async () => {
        const answers = handler(request, call) as AsyncIterable<MessageInitShape<DescMessage>>;
        for await (const answer of answers) {
          if (call.signal.aborted) break;
          await writeStream(on, create(method.output, answer), call.signal);
        }
      });
      on.end();
    } catch (error) {
      on.emit("error", statusOf(error));
    } finally {
      call.end();
    }
  };
}

/** Adds a service to a grpc-js server. */
export function serveOn<S extends DescService>(server: Server, service: S, handlers: Handlers<S>): void {
  const definitions: Record<string, MethodDefinition<Message, Message>> = {};
  const implementation: Record<string, UntypedHandleCall> = {};
  for (const method of service.methods) {
    const handler = (handlers as Record<string, Untyped | undefined>)[method.localName];
    if (!handler) continue;
    definitions[method.localName] = definition(method);
    const bound: Untyped = (request, call) => handler.call(handlers, request, call);
    implementation[method.localName] = (
      method.methodKind === "unary" ? unary(method, bound) : streaming(method, bound)
    ) as UntypedHandleCall;
  }
  server.addService(definitions, implementation);
}
