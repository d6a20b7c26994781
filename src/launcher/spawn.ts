// Starting a plan: the ELF in a sealed memfd, run by Bun.spawn with only the descriptors it needs, and its report pipe.
import { O_CLOEXEC } from "../../ffi/constants/fcntl.ts";
import { errnoText } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { duplicate, read } from "../../ffi/file.ts";
import { syscall } from "../../ffi/libc.ts";
import { waitReadable } from "../../ffi/poll.ts";
import { assemble } from "./elf.ts";
import { sealedMemfd } from "./memfd.ts";
import { type Plan, recordIndex } from "./plan.ts";

/** A record of the plan that failed in the kernel. */
export class PlanError extends Error {
  override readonly name = "PlanError";
  constructor(
    readonly record: number,
    readonly errno: number,
    message: string,
  ) {
    super(message);
  }
}

/** What the launcher says over its report pipe. */
export type Report =
  | { kind: "message"; code: number; value: number }
  | { kind: "failed"; error: PlanError }
  | { kind: "closed" };

/** Report codes at or above this are messages of the plan (`tell`), below it addresses of failed records. */
export const MESSAGE = 0x80000000;

export interface RunningPlan {
  /** The first process; plans that clone with CLONE_PARENT leave it at once. */
  pid: number;
  exited: Promise<number>;
  /** Blocks for the next report. */
  next(): Report;
  /** Whether a report is there, or will not come any more; blocks so many milliseconds at the most. */
  waits(milliseconds: number): boolean;
  close(): void;
}

/** pipe2(O_CLOEXEC). */
export function pipe(what: string): { readEnd: Fd; writeEnd: Fd } {
  const ends = new Int32Array(2);
  syscall("pipe2", what, ends, O_CLOEXEC);
  return { readEnd: new Fd(ends[0]!, what), writeEnd: new Fd(ends[1]!, what) };
}

export interface SpawnOptions {
  /** Descriptors by their number in the child, from 0 on; the report pipe comes right after them. */
  stdio: number[];
  argv0: string;
  /** How many of `stdio`'s first numbers may stand at their own place already, as this process inherited them; stdio by default. */
  inPlace?: number;
}

/** Stdio and so many descriptors after it: what the caller gave us for the container. */
export function inherited(preserve: number): number[] {
  const numbers: number[] = [];
  for (let fd = 0; fd < 3 + preserve; fd++) numbers.push(fd);
  return numbers;
}

/** Runs a plan that was written for a report descriptor of `stdio.length`. */
export function spawnPlan(plan: Plan, options: SpawnOptions): RunningPlan {
  using program = sealedMemfd("launcher", assemble(plan, { reportFd: options.stdio.length }));
  const report = pipe("report pipe");
  let child: Bun.Subprocess;
  const moved: Fd[] = [];
  // The child's descriptors are put in place from 0 on: one that lies among them would be overwritten before its turn.
  const clear = (fd: number, at: number) => {
    if (fd > options.stdio.length || (fd === at && at < (options.inPlace ?? 3))) return fd;
    const copy = duplicate(fd, options.stdio.length + 1);
    moved.push(copy);
    return copy.number;
  };
  try {
    child = Bun.spawn({
      cmd: [`/proc/self/fd/${program.number}`],
      argv0: options.argv0,
      env: {},
      stdio: [...options.stdio, report.writeEnd.number].map(clear) as unknown as [
        "inherit",
        "inherit",
        "inherit",
      ],
    });
  } catch (error) {
    report.readEnd.close();
    throw error;
  } finally {
    report.writeEnd.close();
    for (const copy of moved) copy.close();
  }
  child.unref();
  // Who keeps children by a wait4 of his own may have been faster.
  const exited = child.exited.catch(() => -1);
  const message = new Uint8Array(8);
  const view = new DataView(message.buffer);
  return {
    pid: child.pid,
    exited,
    next() {
      let got = 0;
      while (got < 8) {
        const n = read(report.readEnd, message.subarray(got));
        if (n === 0) return { kind: "closed" };
        got += n;
      }
      const code = view.getUint32(0, true);
      const value = view.getUint32(4, true);
      if (code >= MESSAGE) return { kind: "message", code, value };
      return { kind: "failed", error: new PlanError(recordIndex(code), value, explain(plan, code, value)) };
    },
    waits: (milliseconds) => waitReadable(report.readEnd, milliseconds),
    close: () => report.readEnd.close(),
  };
}

/** What the failure of a record means, in words. */
function explain(plan: Plan, address: number, errno: number): string {
  const index = recordIndex(address);
  const record = plan.records[index];
  if (!record) return `launcher reported record ${index} of ${plan.records.length}: ${errnoText(errno)}`;
  const why = record.outcome.why ?? record.name;
  return typeof why === "function" ? why(errno) : `${why}: ${errnoText(errno)}`;
}
