// The event bus: one envelope to every subscriber whose filters hold, in order.
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AnyValue,
  type Envelope,
  type Events,
  ServiceError,
} from "../../../wire/containerd/services.ts";
import { invalid, quote } from "../errors.ts";
import { matcher } from "../filters/match.ts";
import { checkIdentifier, checkNamespace } from "../identifiers.ts";
import { envelopeField } from "./field.ts";

/** What a subscriber that does not read may leave lying before it is cut off. */
const MAX_WAITING = 100_000;

function checkTopic(topic: string): void {
  if (!topic.startsWith("/")) throw invalid(`topic ${quote(topic)} must start with '/'`);
  if (topic === "/") throw invalid(`topic ${quote(topic)} must have at least one component`);
  for (const component of topic.slice(1).split("/")) {
    try {
      checkIdentifier(component);
    } catch {
      throw invalid(`topic ${quote(topic)} has a bad component ${quote(component)}`);
    }
  }
}

class Subscription {
  #waiting: Envelope[] = [];
  #wake: (() => void) | undefined;
  #overrun = false;

  constructor(private readonly holds: (envelope: Envelope) => boolean) {}

  offer(envelope: Envelope): void {
    if (this.#overrun || !this.holds(envelope)) return;
    if (this.#waiting.length >= MAX_WAITING) this.#overrun = true;
    else this.#waiting.push(envelope);
    this.#wake?.();
  }

  async *read(signal: AbortSignal): AsyncGenerator<Envelope> {
    const wake = () => this.#wake?.();
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        const batch = this.#waiting;
        this.#waiting = [];
        for (const envelope of batch) {
          if (signal.aborted) return;
          yield envelope;
        }
        if (this.#waiting.length > 0) continue;
        if (this.#overrun) {
          throw new ServiceError("ResourceExhausted", `subscriber left ${MAX_WAITING} events unread`);
        }
        if (signal.aborted) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }
}

export class EventBus implements Events {
  readonly #subscriptions = new Set<Subscription>();

  /** Publishes an event of ours. */
  emit<Desc extends DescMessage>(
    ns: string,
    topic: string,
    schema: Desc,
    event: MessageInitShape<Desc>,
  ): void {
    if (this.#subscriptions.size === 0) return;
    // containerd's type URLs are the bare message names.
    const value = toBinary(schema, create(schema, event));
    this.#send({ timestamp: new Date(), namespace: ns, topic, event: { typeUrl: schema.typeName, value } });
  }

  #send(envelope: Envelope): void {
    for (const subscription of this.#subscriptions) subscription.offer(envelope);
  }

  async publish(ns: string, topic: string, event: AnyValue): Promise<void> {
    checkNamespace(ns);
    checkTopic(topic);
    this.#send({ timestamp: new Date(), namespace: ns, topic, event });
  }

  async forward(envelope: Envelope): Promise<void> {
    checkNamespace(envelope.namespace);
    checkTopic(envelope.topic);
    this.#send(envelope);
  }

  subscribe(filters: string[], signal: AbortSignal): AsyncIterable<Envelope> {
    // Subscribed from this call on, not from the first read: nothing in between is missed.
    let subscription: Subscription;
    try {
      subscription = new Subscription(matcher(filters, envelopeField));
    } catch (error) {
      // A bad filter fails the reading, as it does over the wire.
      return failing(error);
    }
    this.#subscriptions.add(subscription);
    const subscriptions = this.#subscriptions;
    const drop = () => subscriptions.delete(subscription);
    signal.addEventListener("abort", drop, { once: true });
    if (signal.aborted) drop();
    return (async function* () {
      try {
        yield* subscription.read(signal);
      } finally {
        signal.removeEventListener("abort", drop);
        drop();
      }
    })();
  }
}

// biome-ignore lint/correctness/useYield: it is an iteration that fails at its first step.
async function* failing(error: unknown): AsyncGenerator<never> {
  throw error;
}
