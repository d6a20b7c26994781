// The parents that container cgroups leave: nobody's but the test's that named them.
import { readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** Takes the empty cgroup of that name, and empty ones below it, out of every hierarchy. What is in use, or not there, is left. */
export function removeCgroups(name: string): void {
  for (const hierarchy of readdirSync("/sys/fs/cgroup")) removeEmpty(join("/sys/fs/cgroup", hierarchy, name));
}

function removeEmpty(directory: string): void {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true }))
      if (entry.isDirectory()) removeEmpty(join(directory, entry.name));
    rmdirSync(directory);
  } catch {
    // Not there, or somebody's.
  }
}
