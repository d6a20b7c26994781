// The launcher tells the pid of the process that it cloned on the pipe on which that process reports too, and either may be
// first: whoever reads gets the pid before all else.
import type { Report } from "../../../launcher/spawn.ts";
import { TELL } from "../launch/context.ts";

/** The reports of a started plan, with the message of the pid in front. A failure or an early end is passed on at once. */
export function pidFirst(take: () => Report | Promise<Report>): () => Promise<Report> {
  const early: Report[] = [];
  let known = false;
  return async () => {
    while (!known) {
      const report = await take();
      if (report.kind !== "message") return report;
      known = report.code === TELL.pid;
      if (known) return report;
      early.push(report);
    }
    return early.shift() ?? (await take());
  };
}
