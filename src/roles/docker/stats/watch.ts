// The containers whose consumption is being watched, each by a request of its own.
import type { EngineClient } from "../../../wire/engine/client.ts";
import type { StatsSample } from "./sample.ts";

/** A sample that is older than this says nothing any more. */
const STALE_MS = 2000;

export interface Watched {
  /** As it was named. */
  container: string;
  sample: StatsSample | undefined;
  /** Why there is none. */
  error: unknown;
}

export class StatsWatch {
  readonly #watched = new Map<string, Watched & { stop: AbortController; at: number }>();

  constructor(
    readonly client: EngineClient,
    readonly streaming: boolean,
  ) {}

  /** Starts to watch; the promise resolves with the first sample, or when there will be none. */
  add(container: string): Promise<void> {
    if (this.#watched.has(container)) return Promise.resolve();
    const entry = {
      container,
      sample: undefined as StatsSample | undefined,
      error: undefined as unknown,
      stop: new AbortController(),
      at: 0,
    };
    this.#watched.set(container, entry);
    const first = Promise.withResolvers<void>();
    const work = async () => {
      const path = `/containers/${encodeURIComponent(container)}/stats`;
      const query = { stream: this.streaming };
      for await (const sample of this.client.lines<StatsSample>("GET", path, {
        query,
        signal: entry.stop.signal,
      })) {
        entry.sample = sample;
        entry.at = performance.now();
        first.resolve();
        if (!this.streaming) return;
      }
      // The container is gone.
      this.remove(container);
    };
    work()
      .catch((error: unknown) => {
        entry.error = error;
      })
      .finally(() => first.resolve());
    // Without an answer in time the row shows that nothing is known.
    return Promise.race([first.promise, ...(this.streaming ? [Bun.sleep(STALE_MS)] : [])]);
  }

  remove(container: string): void {
    this.#watched.get(container)?.stop.abort();
    this.#watched.delete(container);
  }

  list(): Watched[] {
    const now = performance.now();
    return [...this.#watched.values()].map(({ container, sample, error, at }) => ({
      container,
      error,
      sample: this.streaming && sample && now - at > STALE_MS ? { id: sample.id, name: sample.name } : sample,
    }));
  }
}
