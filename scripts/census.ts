// What a test run could leave on the host: mounts, network namespaces and devices, cgroups, processes.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

export interface Census {
  mounts: string[];
  netns: string[];
  links: string[];
  cgroups: string[];
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Parents stand before their children; what goes away meanwhile is left out. */
export function directoriesBelow(directory: string, depth: number): string[] {
  if (depth === 0) return [];
  let entries: { name: string; isDirectory(): boolean }[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      return [path, ...directoriesBelow(path, depth - 1)];
    });
}

/** Takes stock of the host. */
export function census(): Census {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => `mount ${line.split(" ")[4]}`);
  return {
    mounts,
    netns: names("/run/netns").map((name) => `network namespace ${name}`),
    links: names("/sys/class/net").map((name) => `network device ${name}`),
    cgroups: directoriesBelow("/sys/fs/cgroup", 5).map((path) => `cgroup ${path}`),
  };
}

/** What is in `after` and was not in `before`. */
export function differences(before: Census, after: Census): string[] {
  return (["mounts", "netns", "links", "cgroups"] as const).flatMap((kind) => {
    const known = new Set(before[kind]);
    return after[kind].filter((line) => !known.has(line));
  });
}

/** Processes that still carry the run's mark in their environment. */
export function survivors(run: string): string[] {
  const found: string[] = [];
  for (const pid of names("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "latin1").includes(`BUNKER_TEST_RUN=${run}`)) continue;
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      found.push(`process ${pid} ${command || readlinkSync(`/proc/${pid}/exe`)}`);
    } catch {
      // It went away while we looked.
    }
  }
  return found;
}
