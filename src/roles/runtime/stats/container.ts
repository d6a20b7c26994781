import { hostCgroups } from "../cgroup/hierarchy.ts";
import type { CgroupPaths } from "../cgroup/paths.ts";
import type { Stats } from "./document.ts";
import { statsV1 } from "./v1.ts";
import { statsV2 } from "./v2.ts";

/** A container's statistics at this moment, from whichever hierarchy has the controllers. */
export function containerStats(paths: CgroupPaths): Stats {
  const unified = paths[""];
  return hostCgroups().mode === "v2" && unified !== undefined ? statsV2(unified) : statsV1(paths);
}
