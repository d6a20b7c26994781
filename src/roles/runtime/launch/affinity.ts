// process.execCPUAffinity: which CPUs an exec runs on before and after it joins the container's cgroup. config.md#process
import { Address } from "../../../launcher/plan.ts";
import type { Context } from "./context.ts";
import { idMask } from "./id-list.ts";

/** man 2 sched_setaffinity. Throws on a list that is none. */
export function addAffinity({ plan }: Context, list: string, which: "initial" | "final"): void {
  const mask = idMask(list, `process.execCPUAffinity.${which}`);
  const at = plan.bytes("", mask);
  plan.call("sched_setaffinity", [0, mask.length, new Address(at.offset, `{${list}}`)], {
    why: `setting the ${which} CPU affinity ${list}`,
  });
}
