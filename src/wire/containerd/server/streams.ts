// Streams that a client opens under an id of its own and then names in a call of another service.

import type { Any } from "@bufbuild/protobuf/wkt";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import type { Server } from "@grpc/grpc-js";
import { StreamInitSchema, Streaming } from "../../gen/services/streaming_pb.ts";
import { anyInit } from "../convert.ts";
import { type AnyValue, ServiceError } from "../services.ts";
import { packed, unpacked } from "../transfer.ts";
import { serveOn } from "./service.ts";

/** One open stream, as the service sees it that was given its id. */
export interface NamedStream {
  /** Queued: a client that does not read costs memory, no progress of others. */
  send(message: AnyValue): void;
  receive(): Promise<Any | undefined>;
  /** Ends the stream for the client too. */
  end(): void;
}

class Outbox {
  #waiting: AnyValue[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  put(message: AnyValue): void {
    this.#waiting.push(message);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *read(): AsyncGenerator<AnyValue> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message) yield message;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

export class Streams {
  readonly #open = new Map<string, NamedStream>();

  /** The stream that the client has opened under the id; undefined for "". Throws NotFound. */
  get(ns: string, id: string): NamedStream | undefined {
    if (id === "") return undefined;
    const stream = this.#open.get(`${ns}/${id}`);
    if (!stream) throw new ServiceError("NotFound", `stream ${JSON.stringify(id)}: not found`);
    return stream;
  }

  async *#serve(requests: AsyncIterable<Any>, ns: string, signal: AbortSignal): AsyncGenerator<AnyValue> {
    const incoming = requests[Symbol.asyncIterator]();
    const first = await incoming.next();
    const init = first.done ? undefined : unpacked(StreamInitSchema, first.value);
    if (!init || init.id === "") {
      throw new ServiceError("InvalidArgument", "a stream begins with a StreamInit: invalid argument");
    }
    const key = `${ns}/${init.id}`;
    if (this.#open.has(key)) {
      throw new ServiceError("AlreadyExists", `stream ${JSON.stringify(init.id)}: already exists`);
    }
    const out = new Outbox();
    signal.addEventListener("abort", () => out.end(), { once: true });
    this.#open.set(key, {
      send: (message) => out.put(message),
      async receive() {
        const next = await incoming.next();
        return next.done ? undefined : next.value;
      },
      end: () => out.end(),
    });
    try {
      // The answer tells the client that the id can be used now.
      yield packed(EmptySchema, {});
      yield* out.read();
    } finally {
      this.#open.delete(key);
    }
  }

  serve(server: Server): void {
    const streams = this;
    serveOn(server, Streaming, {
      async *stream(requests, call) {
        for await (const message of streams.#serve(requests, call.namespace, call.signal)) {
          yield anyInit(message);
        }
      },
    });
  }
}
