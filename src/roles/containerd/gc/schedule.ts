// When to collect: at once when somebody waits for it, soon after a deletion, and when a lease ends.
import { log } from "../../../observe/log.ts";

/** After a deletion; more deletions in that time are collected in the same run. */
const DELAY = 1000;
/** setTimeout's range ends at 2^31 ms. */
const FAR = 0x7fffffff;

export class Collector {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #again: Promise<void> | undefined;
  #closed = false;

  /**
   * `collect` is one whole run; it resolves to the time (ms) at which another is worth it. `exact` runs spare nothing that
   * is unreferenced; others spare what is young.
   */
  constructor(private readonly collect: (exact: boolean) => Promise<number | undefined>) {}

  /** Resolves when an exact run that began after this call has ended. Throws what the run throws. */
  now(): Promise<void> {
    return this.#start(true);
  }

  #start(exact: boolean): Promise<void> {
    if (!this.#running) {
      this.#running = this.#run(exact).finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#again ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#again = undefined;
        return this.now();
      });
    return this.#again;
  }

  soon(): void {
    this.at(Date.now() + DELAY);
  }

  /** Sees to it that a run begins at that time (milliseconds since the epoch) at the latest. */
  at(time: number): void {
    if (this.#closed || this.#due <= time) return;
    clearTimeout(this.#timer);
    this.#due = time;
    this.#timer = setTimeout(
      () => {
        this.#due = Number.POSITIVE_INFINITY;
        if (Date.now() < time) this.at(time);
        else this.#start(false).catch((error) => log("error", "garbage collection failed", { error }));
      },
      Math.min(Math.max(time - Date.now(), 0), FAR),
    );
    this.#timer.unref();
  }

  async #run(exact: boolean): Promise<void> {
    const next = await this.collect(exact);
    if (next !== undefined) this.at(next);
  }

  /** Ends the schedule and waits for a run that is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#again?.catch(() => {});
    await this.#running?.catch(() => {});
  }
}
