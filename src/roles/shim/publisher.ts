// Events to containerd over ttrpc, in order, kept while containerd is away and sent again until it took them.
import { log } from "../../observe/log.ts";
import { ServiceError } from "../../wire/containerd/services.ts";
import { TtrpcClient } from "../../wire/ttrpc/client.ts";
import { encode, type Init } from "../../wire/ttrpc/codec.ts";
import { Events, TOPICS, type Topic } from "../../wire/ttrpc/messages/events.ts";
import type { Envelope } from "../../wire/ttrpc/messages/types.ts";
import { timestamp } from "../../wire/ttrpc/messages/well-known.ts";

interface Queued {
  topic: Topic;
  envelope: Init<typeof Envelope>;
  refusals: number;
}

/** Beyond this many waiting events those that are no exits are dropped, oldest first. */
const MAX_QUEUED = 8192;
/** An event that containerd itself refuses (not: is away) is given up after so many times. */
const MAX_REFUSALS = 5;
const TIMEOUT = 5000;

export class Publisher {
  #queue: Queued[] = [];
  #client: TtrpcClient | undefined;
  #sending: Promise<void> | undefined;
  #wake: (() => void) | undefined;

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
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
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
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pause);
          this.#wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        pause = Math.min(pause * 2, 2000);
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
