// Who ended, and how: SIGCHLD → wait4(-1) → whoever waits for that pid. The shim is subreaper, so it reaps everything.
import { type Reaped, reap } from "../../../ffi/wait.ts";
import { touch } from "./activity.ts";

export interface Exit {
  exitStatus: number;
  /** Milliseconds since the epoch. */
  exitedAt: number;
}

export class Exits {
  #claims = new Map<number, (exit: Exit) => void>();
  /** Ends of pids that nobody had claimed yet, kept while some start is under way (its pid is not known before it returns). */
  #unclaimed = new Map<number, Exit>();
  #starts = 0;

  constructor() {
    process.on("SIGCHLD", () => this.collect());
  }

  /** Reaps all that have ended. */
  collect(): void {
    touch();
    for (let ended: Reaped | undefined = reap(); ended; ended = reap()) {
      const exit = { exitStatus: ended.exitStatus, exitedAt: performance.timeOrigin + performance.now() };
      const claim = this.#claims.get(ended.pid);
      if (claim) {
        this.#claims.delete(ended.pid);
        claim(exit);
      } else if (this.#starts > 0) this.#unclaimed.set(ended.pid, exit);
    }
  }

  /** Whether a claimed child still lives. */
  awaits(pid: number): boolean {
    this.collect();
    return this.#claims.has(pid);
  }

  /** Nothing is being started. */
  get idle(): boolean {
    return this.#starts === 0;
  }

  /** Runs what starts processes: those that end before `claim` knows their pid are remembered meanwhile. */
  async during<T>(start: () => Promise<T>): Promise<T> {
    this.#starts++;
    try {
      return await start();
    } finally {
      if (--this.#starts === 0) this.#unclaimed.clear();
    }
  }

  /** Calls `onExit` once that child has ended (at once when it already has). Call it inside `during`. */
  claim(pid: number, onExit: (exit: Exit) => void): void {
    const early = this.#unclaimed.get(pid);
    if (early) {
      this.#unclaimed.delete(pid);
      onExit(early);
    } else this.#claims.set(pid, onExit);
  }

  /** The remembered end of a pid that something else (Bun.spawn) also waits for. */
  take(pid: number): Exit | undefined {
    const exit = this.#unclaimed.get(pid);
    this.#unclaimed.delete(pid);
    return exit;
  }
}
