// Settings of the process that few containers ask for; this module is loaded for those alone (container/rare.ts).
import { Constant } from "../../../launcher/plan.ts";
import type { Linux, Process } from "../../../spec/oci/runtime.ts";
import type { Context } from "./context.ts";
import { addMemoryPolicy } from "./memory-policy.ts";
import { addScheduling } from "./scheduling.ts";

/** personality(2) values by config.json's domain. */
const DOMAIN: Readonly<Record<string, number>> = { LINUX: 0, LINUX32: 8 };

export function addRareSettings(context: Context, linux: Linux, process: Process): void {
  if (linux.personality) {
    const { domain } = linux.personality;
    context.plan.call("personality", [new Constant(DOMAIN[domain] ?? 0, `PER_${domain}`)], {
      why: `setting the personality ${domain}`,
    });
  }
  if (linux.memoryPolicy) addMemoryPolicy(context, linux.memoryPolicy);
  addScheduling(context, process);
}
