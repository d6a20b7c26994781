// linux.memoryPolicy: where the process's memory comes from. config-linux.md#memory-policy, man 2 set_mempolicy
import { Address, Constant } from "../../../launcher/plan.ts";
import type { Linux } from "../../../spec/oci/runtime.ts";
import type { Context } from "./context.ts";
import { idMask } from "./id-list.ts";

const MODE: Readonly<Record<string, number>> = {
  MPOL_DEFAULT: 0,
  MPOL_PREFERRED: 1,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_LOCAL: 4,
  MPOL_PREFERRED_MANY: 5,
  MPOL_WEIGHTED_INTERLEAVE: 6,
};
const FLAG: Readonly<Record<string, number>> = {
  MPOL_F_STATIC_NODES: 1 << 15,
  MPOL_F_RELATIVE_NODES: 1 << 14,
  MPOL_F_NUMA_BALANCING: 1 << 13,
};
export const MEMORY_POLICY_MODES = Object.keys(MODE);
export const MEMORY_POLICY_FLAGS = Object.keys(FLAG);

/** Sets the policy. Throws on a mode, a flag or a node list that does not exist; what the kernel refuses fails the start. */
export function addMemoryPolicy({ plan }: Context, policy: NonNullable<Linux["memoryPolicy"]>): void {
  const mode = MODE[policy.mode];
  if (mode === undefined)
    throw new Error(`linux.memoryPolicy.mode: unknown mode ${JSON.stringify(policy.mode)}`);
  let value = mode;
  for (const name of policy.flags ?? []) {
    const flag = FLAG[name];
    if (flag === undefined) throw new Error(`linux.memoryPolicy.flags: unknown flag ${JSON.stringify(name)}`);
    value |= flag;
  }
  const words = new Constant(value, [policy.mode, ...(policy.flags ?? [])].join("|"));
  const why = `setting the memory policy ${words.text}${policy.nodes ? ` for nodes ${policy.nodes}` : ""}`;
  if (!policy.nodes) {
    plan.call("set_mempolicy", [words, 0, 0], { why });
    return;
  }
  const mask = idMask(policy.nodes, "linux.memoryPolicy.nodes");
  const at = plan.bytes("", mask);
  // The kernel reads one bit less than it is told.
  plan.call("set_mempolicy", [words, new Address(at.offset, `{${policy.nodes}}`), mask.length * 8 + 1], {
    why,
  });
}
