// A ttrpc service as a table: method → [its name on the wire, request, response]. All unary.
import type { Init, Message, MessageType } from "./codec.ts";

export type Methods = { readonly [method: string]: readonly [string, MessageType, MessageType] };

export interface Service<M extends Methods = Methods> {
  readonly name: string;
  readonly methods: M;
}

export function service<const M extends Methods>(name: string, methods: M): Service<M> {
  return { name, methods };
}

/** What a handler learns about its call besides the message. */
export interface CallContext {
  /** Aborted when the caller's deadline passes or its connection ends. */
  signal: AbortSignal;
  /** Metadata keys are lower case, as sent; several values of a key come in order. */
  metadata: ReadonlyMap<string, readonly string[]>;
}

/** The serving side of a service: one function a method. */
export type Handlers<S extends Service> = {
  readonly [K in keyof S["methods"]]: (
    request: Message<S["methods"][K][1]>,
    context: CallContext,
  ) => Promise<Init<S["methods"][K][2]>> | Init<S["methods"][K][2]>;
};

export interface CallOptions {
  /** Milliseconds until DeadlineExceeded; none by default. Sent along as the request's timeout. */
  timeout?: number;
  metadata?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

/** The calling side of a service. */
export type Caller<S extends Service> = {
  readonly [K in keyof S["methods"]]: (
    request: Init<S["methods"][K][1]>,
    options?: CallOptions,
  ) => Promise<Message<S["methods"][K][2]>>;
};
