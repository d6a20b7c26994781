// Runtime option `shim_cgroup`: the shim itself runs in a cgroup that is there already, in every hierarchy that has it.
import { exists, writeText } from "../../../ffi/path.ts";
import { hierarchies } from "./cgroup.ts";

/** Moves `pid` into the cgroup. Throws when no hierarchy has it. */
export function joinCgroup(path: string, pid: number): void {
  const found = hierarchies()
    .map(({ mountPoint }) => `${mountPoint}/${path}/cgroup.procs`.replaceAll(/\/+/g, "/"))
    .filter(exists);
  if (found.length === 0) throw new Error(`failed to load cgroup ${path}: no hierarchy has it`);
  for (const procs of found) writeText(procs, String(pid));
}
