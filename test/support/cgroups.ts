// The parents that container cgroups leave: nobody's but the test's that named them.
import { readdirSync, rmdirSync } from "node:fs";
import { basename, join } from "node:path";
import { directoriesBelow } from "../../scripts/census.ts";

const DEEPEST = 32;

/** Takes the empty cgroup of that name, and empty ones below it, out of every hierarchy. What is in use, or not there, is left. */
export function removeCgroups(name: string): void {
  for (const hierarchy of readdirSync("/sys/fs/cgroup")) {
    const directory = join("/sys/fs/cgroup", hierarchy, name);
    for (const path of [directory, ...directoriesBelow(directory, DEEPEST)].reverse()) removeEmpty(path);
  }
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not there, in use, or a leak lies below.
  }
}

/** Every cgroup of the host, in every hierarchy. */
export function listCgroups(): string[] {
  return directoriesBelow("/sys/fs/cgroup", DEEPEST);
}

/**
 * Takes the empty cgroups away that came since `before`: parents that requests named (runtimes leave them, as runc does).
 * A container's own cgroup, named by its id, is a leak and stays for the census to find.
 */
export function removeParentsSince(before: string[]): void {
  const known = new Set(before);
  for (const path of listCgroups().reverse())
    if (!known.has(path) && !/^[0-9a-f]{64}$/.test(basename(path))) removeEmpty(path);
}
