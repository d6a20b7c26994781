// The parents that container cgroups leave: nobody's but the test's that named them.
import { readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** Takes the empty cgroup of that name out of every hierarchy. One that is in use, or not there, is left. */
export function removeCgroups(name: string): void {
  for (const hierarchy of readdirSync("/sys/fs/cgroup")) {
    try {
      rmdirSync(join("/sys/fs/cgroup", hierarchy, name));
    } catch {
      // Not there, or somebody's.
    }
  }
}
