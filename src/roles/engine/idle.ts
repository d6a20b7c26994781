// An engine that nobody asks anything gives back what its work left in memory.
import { giveBack } from "../../../ffi/give-back.ts";

/** How long nothing must have been asked. Longer than a person's pause between two commands: the first one after it pays. */
const QUIET = 10_000;

/** Is told of work; after a while without any, memory is given back once. No timer runs while nothing happens. */
export class Idleness {
  #busyAt = 0;
  #timer: Timer | undefined;

  constructor(
    private readonly rest: () => void = giveBack,
    private readonly quiet = QUIET,
  ) {}

  /** Something is asked, or was answered, just now. */
  touch(): void {
    this.#busyAt = Date.now();
    this.#timer ??= this.#arm(this.quiet);
  }

  #arm(after: number): Timer {
    const timer = setTimeout(() => {
      const left = this.#busyAt + this.quiet - Date.now();
      this.#timer = left > 0 ? this.#arm(left) : undefined;
      if (left <= 0) this.rest();
    }, after);
    timer.unref();
    return timer;
  }
}
