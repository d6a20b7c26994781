// The event bus: what `docker events` shows. The last 256 events are kept for `since`, as dockerd keeps them.

import type { EventActor, EventMessage, EventType } from "../../../spec/engine/events.ts";
import { countEvent } from "./counts.ts";

/** How many events are kept for replay (moby: daemon/events `eventsLimit`). */
export const REPLAY_LIMIT = 256;

// Types whose events also carry the old top-level fields status/id/from.
const LEGACY: ReadonlySet<EventType> = new Set(["container", "image"]);

export interface Subscription {
  /** Kept events that are not older than `since` (nanoseconds since the epoch), oldest first. */
  readonly replay: EventMessage[];
  close(): void;
}

export class EventBus {
  readonly #ring: EventMessage[] = [];
  readonly #listeners = new Set<(event: EventMessage) => void>();
  #lastNano = 0n;

  /** Number of subscribers (`NEventsListener` in `docker info`). */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Publishes to every subscriber and keeps it for replay. Never throws. */
  publish(type: EventType, action: string, actor: EventActor): EventMessage {
    const nano = this.#now();
    const seconds = Number(nano / 1_000_000_000n);
    const event: EventMessage = {
      ...(LEGACY.has(type)
        ? {
            status: action,
            id: actor.ID,
            ...(type === "container" && actor.Attributes["image"] ? { from: actor.Attributes["image"] } : {}),
          }
        : {}),
      Type: type,
      Action: action,
      Actor: actor,
      scope: "local",
      time: seconds,
      timeNano: nano,
    };
    countEvent();
    this.#ring.push(event);
    if (this.#ring.length > REPLAY_LIMIT) this.#ring.shift();
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch {
        // One bad subscriber must not keep the others from hearing it.
      }
    }
    return event;
  }

  /** Every event from now on goes to `listener`; older ones from `since` on are in `replay`. */
  subscribe(listener: (event: EventMessage) => void, since?: bigint): Subscription {
    const replay = since === undefined ? [] : this.#ring.filter((event) => event.timeNano >= since);
    this.#listeners.add(listener);
    return { replay, close: () => this.#listeners.delete(listener) };
  }

  // Strictly increasing, so that two events of one microsecond keep their order.
  #now(): bigint {
    const milliseconds = performance.timeOrigin + performance.now();
    let nano = BigInt(Math.round(milliseconds * 1000)) * 1000n;
    if (nano <= this.#lastNano) nano = this.#lastNano + 1n;
    this.#lastNano = nano;
    return nano;
  }
}
