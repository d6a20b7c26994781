// What a process can give back of its memory, once its start or its work is over: garbage, compiled code, and the pages of the
// executable that were touched once. Those are the page cache's and come back by a fault; until then they count as ours.
import { NR } from "./arch/index.ts";
import { MADV_DONTNEED } from "./constants/mman.ts";
import { rawSyscall } from "./libc.ts";
import { readText } from "./path.ts";
import { faultSinglePages, type Mapping } from "./single-pages.ts";

const SETTLE = 1000;
const ROUND = 500;

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

/** The executable's mappings that `droppable` finds. They lie where they lie for as long as the process lives. */
let mappings: Mapping[] | undefined;

/** Lets go of the executable's pages; those that are needed come back, one by one where the kernel can, some microseconds each. */
export function dropPages(): void {
  if (!mappings) {
    mappings = droppable(readText("/proc/self/smaps"), process.execPath);
    faultSinglePages(mappings);
  }
  for (const { start, length } of mappings) {
    // A refusal costs nothing but the memory.
    rawSyscall(NR.madvise, start, length, MADV_DONTNEED);
  }
}

/**
 * Drops pages now and every half second until it is disposed of, for work that goes on in a small part of the code after a beginning that
 * needed more of it. A round costs some milliseconds. Keeps no process alive.
 */
export function droppingPages(): Disposable {
  dropPages();
  const timer = setInterval(dropPages, ROUND);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Gives back what can be had again. Costs some milliseconds now, and page faults later. */
export function giveBack(): void {
  Bun.gc(true);
  Bun.shrink();
  // The collector's threads go on for a moment, in pages that would come back at once.
  setTimeout(dropPages, SETTLE).unref();
}
