// What a container's process is given from outside, and waiting for its launcher, for the two that do the work: the program
// `runc`, which hands on its own streams and has nothing else to do meanwhile, and a shim, which has.
import { inherited, type Report, type RunningPlan } from "../../../launcher/spawn.ts";

/** Descriptors to become 0, 1 and 2. */
export type Stdio = readonly [number, number, number];

/** What stands first in a launcher's descriptors. */
export function givenDescriptors({ stdio, preserveFds }: { stdio?: Stdio; preserveFds: number }): number[] {
  return stdio ? [...stdio] : inherited(preserveFds);
}

/** A launcher answers within a few milliseconds, for which the whole process may stop. */
const BLOCK = 20;
const MAX_PAUSE = 10;

/**
 * The launcher's next report. `patient`: the process has others to serve; where the kernel takes its time (a network file system
 * that does not answer) only this call waits.
 */
export function nextReport(running: RunningPlan, patient: boolean): Report | Promise<Report> {
  return !patient || running.waits(BLOCK) ? running.next() : later(running);
}

async function later(running: RunningPlan): Promise<Report> {
  for (let pause = 1; !running.waits(0); pause = Math.min(2 * pause, MAX_PAUSE)) await Bun.sleep(pause);
  return running.next();
}
