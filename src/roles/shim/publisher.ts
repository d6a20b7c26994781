// Events to containerd over ttrpc, in order, kept while containerd is away and sent again until it took them.
import { log } from "../../observe/log.ts";
import { ServiceError } from "../../wire/containerd/services.ts";
import { TtrpcClient } from "../../wire/ttrpc/client.ts";
import { decode, encode, type Init } from "../../wire/ttrpc/codec.ts";
import { Events, TOPICS, type Topic } from "../../wire/ttrpc/messages/events.ts";
import { Envelope } from "../../wire/ttrpc/messages/types.ts";
import { timestamp } from "../../wire/ttrpc/messages/well-known.ts";
import { touch } from "./activity.ts";

interface Queued {
  topic: Topic;
  envelope: Init<typeof Envelope>;
  refusals: number;
}

/** Events in another process's hands, in order. */
export type SavedEvents = { topic: Topic; refusals: number; envelope: Uint8Array }[];

/** Beyond this many waiting events those that are no exits are dropped, oldest first. */
const MAX_QUEUED = 8192;
/** An event that containerd itself refuses (not: is away) is given up after so many times. */
const MAX_REFUSALS = 5;
const TIMEOUT = 5000;
/** Milliseconds between two tries at the most. */
const MAX_PAUSE = 2000;

export class Publisher {
  #queue: Queued[] = [];
  #client: TtrpcClient | undefined;
  #sending: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  /** Milliseconds until the next try, while one is waited for; 0: an event is on its way, or none waits. */
  #pausing = 0;

  constructor(
    private readonly namespace: string,
    private readonly address: string,
  ) {}

  /** Queues an event. Never fails, never waits. */
  publish<T extends Topic>(topic: T, event: Init<(typeof TOPICS)[T]>): void {
    const type = TOPICS[topic];
    this.#queue.push({
      topic,
      refusals: 0,
      envelope: {
        timestamp: timestamp(performance.timeOrigin + performance.now()),
        namespace: this.namespace,
        topic,
        event: { typeUrl: type.name, value: encode(type, event as never) },
      },
    });
    if (this.#queue.length > MAX_QUEUED) {
      const drop = this.#queue.findIndex((each) => each.topic !== "/tasks/exit");
      if (drop >= 0) this.#queue.splice(drop, 1);
    }
    this.#begin();
  }

  #begin(): void {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
      touch();
    });
  }

  /** For another process to go on with; undefined while events are on their way. */
  save(): SavedEvents | undefined {
    // containerd has been away for a while: that need not keep anybody awake.
    if (this.#queue.length > 0 && this.#pausing < MAX_PAUSE) return undefined;
    return this.#queue.map(({ topic, refusals, envelope }) => ({
      topic,
      refusals,
      envelope: encode(Envelope, envelope),
    }));
  }

  /** An event is on its way. */
  get busy(): boolean {
    return this.#sending !== undefined && this.#pausing < MAX_PAUSE;
  }

  restore(saved: SavedEvents): void {
    for (const { topic, refusals, envelope } of saved)
      this.#queue.push({ topic, refusals, envelope: decode(Envelope, envelope) });
    if (saved.length > 0) this.#begin();
  }

  async #send(): Promise<void> {
    let pause = 50;
    for (let first = this.#queue[0]; first; first = this.#queue[0]) {
      try {
        if (!this.#client?.isOpen) {
          this.#client = await TtrpcClient.connect(this.address);
        }
        await this.#client.service(Events).forward({ envelope: first.envelope }, { timeout: TIMEOUT });
        this.#remove(first);
        pause = 50;
      } catch (error) {
        const away = error instanceof ServiceError && /^(Unavailable|DeadlineExceeded)$/.test(error.code);
        if (!away && ++first.refusals >= MAX_REFUSALS) {
          log("error", "event was refused", { topic: first.topic, error });
          this.#remove(first);
        }
        this.#pausing = pause;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pause);
          this.#wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        this.#pausing = 0;
        pause = Math.min(pause * 2, MAX_PAUSE);
      }
    }
  }

  #remove(event: Queued): void {
    const at = this.#queue.indexOf(event);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  /** containerd is there (again): try at once. */
  nudge(): void {
    this.#wake?.();
  }

  /** Once all is delivered. */
  close(): void {
    this.#client?.close();
  }

  /** Resolves when all was delivered, or after `ms`. Returns how many events are left. */
  async flush(ms: number): Promise<number> {
    this.nudge();
    if (this.#sending) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([this.#sending, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
      clearTimeout(timer);
    }
    return this.#queue.length;
  }
}
