// An engine that nobody asks anything gives back what its work left in memory: garbage, compiled code, and the pages of the
// executable that start-up touched once. Those are the page cache's and come back by a fault; until then they count as ours.
import { readFileSync } from "node:fs";
import { NR } from "../../../ffi/arch/index.ts";
import { MADV_DONTNEED } from "../../../ffi/constants/mman.ts";
import { rawSyscall } from "../../../ffi/libc.ts";

/** How long nothing must have been asked. Longer than a person's pause between two commands: the first one after it pays. */
const QUIET = 10_000;
const SETTLE = 1000;

interface Mapping {
  start: number;
  length: number;
}

/**
 * Mappings of the executable that are never written: file-backed, not writable, and without a page of their own (relocated
 * data that was made read-only has such, and would be lost). man 5 proc_pid_smaps.
 */
export function droppable(smaps: string, executable: string): Mapping[] {
  const found: Mapping[] = [];
  let current: Mapping | undefined;
  for (const line of smaps.split("\n")) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+\s+(.*)$/.exec(line);
    if (head) {
      const [, from = "", to = "", rights = "", path] = head;
      const start = Number.parseInt(from, 16);
      current =
        path === executable && !rights.includes("w")
          ? { start, length: Number.parseInt(to, 16) - start }
          : undefined;
    } else if (current && /^Anonymous:\s+0 kB$/.test(line)) {
      found.push(current);
    }
  }
  return found;
}

function dropPages(): void {
  for (const { start, length } of droppable(readFileSync("/proc/self/smaps", "latin1"), process.execPath)) {
    // A refusal costs nothing but the memory.
    rawSyscall(NR.madvise, start, length, MADV_DONTNEED);
  }
}

/** Gives back what can be had again. Costs some milliseconds now, and page faults later. */
export function giveBack(): void {
  Bun.gc(true);
  Bun.shrink();
  // The collector's threads go on for a moment, in pages that would come back at once.
  setTimeout(dropPages, SETTLE).unref();
}

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
