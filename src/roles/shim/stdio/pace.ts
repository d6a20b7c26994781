// How long a pipe is left alone after a read. Who is met after every line he writes is stopped every time, and so are we: he
// fills his pipe meanwhile, and runs.

/** Milliseconds. What comes later than this after the last read was waited for: it has no fellow that a pause would gather. */
const PAUSE = 1;
/** The longest pause. Nobody sees output come later by so much. */
const LONGEST = 4;
/** Bytes a millisecond from which pauses are longer than PAUSE; a program that answers questions does not write so fast. */
const FAST = 8 * 1024;
/** Bun reads no more when a pipe becomes readable, whatever is in it: there may be more. */
const FULL = 64 * 1024;

export class Pace {
  /** When reading began again, as performance.now() tells it. */
  #awake = Number.NEGATIVE_INFINITY;
  /** When the last pause began, how long it was to be, and what came since. */
  #since = 0;
  #pause = PAUSE;
  #bytes = 0;

  /** `room`: what fits into the pipe, in bytes; 0 for what is none (a pty takes a few KiB, and its writer would stand still). */
  constructor(private readonly room: number) {}

  /** Milliseconds to wait before the next read, 0 for none, when `bytes` came at `came`. */
  after(bytes: number, came: number): number {
    if (this.room === 0) return 0;
    if (came - this.#awake > PAUSE) return this.#begin(came, 0);
    this.#bytes += bytes;
    if (bytes >= FULL) return 0;
    const rate = this.#bytes / (came - this.#since);
    // Half of the room is left for a writer who becomes faster. One who filled all of it was stopped, and is faster than it seems.
    const fitting = (this.#pause * (this.room / 2)) / this.#bytes;
    const pause = rate < FAST ? PAUSE : Math.min(LONGEST, Math.max(PAUSE, fitting));
    return this.#begin(came, this.#bytes > (this.room * 3) / 4 && pause === PAUSE ? 0 : pause);
  }

  #begin(now: number, pause: number): number {
    this.#since = now;
    this.#bytes = 0;
    this.#pause = Math.max(PAUSE, pause);
    return pause;
  }

  /** The next read begins. */
  reading(now: number): void {
    this.#awake = now;
  }
}
