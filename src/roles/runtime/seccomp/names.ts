import type { Seccomp } from "../../../spec/oci/runtime.ts";
import { ARCHITECTURES, systemCalls } from "./architectures.ts";

/** Throws on a system call that no architecture has; without this check such a rule is skipped, as profiles expect. */
export function checkCallNames(seccomp: Seccomp): void {
  const known = new Set(Object.values(ARCHITECTURES).flatMap((one) => [...systemCalls(one).keys()]));
  for (const { names } of seccomp.syscalls ?? [])
    for (const name of names)
      if (!known.has(name))
        throw new Error(`linux.seccomp.syscalls: unknown system call ${JSON.stringify(name)}`);
}
