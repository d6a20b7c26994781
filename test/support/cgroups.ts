// The parents that container cgroups leave: nobody's but the test's that named them.
import { readdirSync, rmdirSync } from "node:fs";
import { basename, join } from "node:path";

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

/** Every cgroup of the host, in every hierarchy. */
export function listCgroups(): string[] {
  return below("/sys/fs/cgroup");
}

/**
 * Takes the empty cgroups away that came since `before`: parents that requests named (runtimes leave them, as runc does).
 * A container's own cgroup, named by its id, is a leak and stays for the census to find.
 */
export function removeParentsSince(before: string[]): void {
  const known = new Set(before);
  for (const path of listCgroups().reverse()) {
    if (known.has(path) || /^[0-9a-f]{64}$/.test(basename(path))) continue;
    try {
      rmdirSync(path);
    } catch {
      // In use, or a leak lies below.
    }
  }
}

/** Parents stand before their children. */
function below(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? [path, ...below(path)] : [];
    });
  } catch {
    return []; // Gone since it was listed.
  }
}
