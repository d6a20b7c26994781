// The launcher tells the pid of the process that it cloned on the pipe on which that process reports too, and either may be
// first: whoever reads gets the pid before all else.
import type { Report, RunningPlan } from "../../../launcher/spawn.ts";
import { TELL } from "../launch/context.ts";

/** The reports of a started plan, with the message of the pid in front. A failure or an early end is passed on at once. */
export function pidFirst(running: Pick<RunningPlan, "next">): () => Report {
  const early: Report[] = [];
  let known = false;
  return () => {
    while (!known) {
      const report = running.next();
      if (report.kind !== "message") return report;
      known = report.code === TELL.pid;
      if (known) return report;
      early.push(report);
    }
    return early.shift() ?? running.next();
  };
}
