// Which cgroup file systems this host has, and where: v1 controllers, the unified hierarchy, or both (hybrid).
// A folder of a controller's name below /sys/fs/cgroup may be no cgroup at all: the kernel is asked.
import { AT_FDCWD } from "../../../../ffi/constants/fcntl.ts";
import { CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC } from "../../../../ffi/constants/magic.ts";
import { readText } from "../../../../ffi/path.ts";
import { fileSystemAt } from "../../../../ffi/statfs.ts";
import { statAt } from "../../../../ffi/tree.ts";

export interface Hierarchy {
  /** Controllers of a v1 mount ("cpu", "cpuacct"; "name=systemd"); empty for the unified one. */
  controllers: string[];
  mountpoint: string;
  /** Path within the file system that is mounted there ("/" unless this is a container itself). */
  root: string;
}

export interface Cgroups {
  mode: "v1" | "hybrid" | "v2" | "none";
  v1: Hierarchy[];
  unified: Hierarchy | undefined;
}

const unescapeOctal = (path: string) =>
  path.includes("\\")
    ? path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    : path;

/** Names of super block options that are no controllers. */
const NOT_CONTROLLERS = new Set([
  "rw",
  "ro",
  "xattr",
  "noprefix",
  "clone_children",
  "nsdelegate",
  "memory_recursiveprot",
]);

/** Parses /proc/self/mountinfo. man 5 proc */
export function parseMountinfo(mountinfo: string): Cgroups {
  const v1: Hierarchy[] = [];
  let unified: Hierarchy | undefined;
  for (const line of mountinfo.split("\n")) {
    const dash = line.indexOf(" - cgroup");
    if (dash < 0) continue;
    const [type, , options = ""] = line.slice(dash + 3).split(" ");
    const before = line.split(" ");
    const root = unescapeOctal(before[3] ?? "/");
    const mountpoint = unescapeOctal(before[4] ?? "");
    if (type === "cgroup2") {
      unified ??= { controllers: [], mountpoint, root };
      continue;
    }
    if (type !== "cgroup") continue;
    const controllers = options
      .split(",")
      .filter((option) => !NOT_CONTROLLERS.has(option) && !option.startsWith("release_agent="));
    // The same hierarchy may be mounted again elsewhere (inside other programs' trees): the first one counts.
    if (!v1.some((known) => known.controllers.join() === controllers.join()))
      v1.push({ controllers, mountpoint, root });
  }
  return { mode: modeOf(v1, unified), v1, unified };
}

/** The lines of /proc/PID/cgroup: "cpu,cpuacct", "name=systemd" or "" for v2, and the path there. man 7 cgroups */
function membershipLines(text: string): { controllers: string; path: string }[] {
  const lines: { controllers: string; path: string }[] = [];
  for (const line of text.split("\n")) {
    const first = line.indexOf(":");
    const second = line.indexOf(":", first + 1);
    if (second >= 0) lines.push({ controllers: line.slice(first + 1, second), path: line.slice(second + 1) });
  }
  return lines;
}

/** Parses /proc/PID/cgroup: controller ("cpu", "name=systemd", "" for v2) → path. */
export function parseMembership(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const { controllers, path } of membershipLines(text))
    for (const name of controllers.split(",")) paths.set(name, path);
  return paths;
}

/** `own`: /proc/self/cgroup, for who has read it already. */
export function hostCgroups(own = membershipText("self")): Cgroups {
  return usualCgroups(own) ?? parseMountinfo(readText("/proc/self/mountinfo"));
}

/** Inode of the root of a whole hierarchy; a part of one, as a container sees it, has another. */
const ROOT_INODE = 1;

/**
 * Whole hierarchies at their usual places, found by asking there: mountinfo tells the same, but the kernel writes a line for every
 * mount of the host, and a host with many containers has hundreds. `membership`: /proc/self/cgroup. undefined when anything is
 * not where it is looked for.
 */
function usualCgroups(membership: string): Cgroups | undefined {
  const v1: Hierarchy[] = [];
  const devices = new Set<string>();
  let unified: Hierarchy | undefined;
  const root = (mountpoint: string, controllers: string[], magic: number): Hierarchy | undefined => {
    if (fileSystemAt(mountpoint) !== magic) return undefined;
    const stat = statAt(AT_FDCWD, mountpoint);
    if (stat?.ino !== ROOT_INODE || devices.has(stat.dev)) return undefined;
    devices.add(stat.dev);
    return { controllers, mountpoint, root: "/" };
  };
  for (const { controllers: names } of membershipLines(membership)) {
    if (names === "") {
      unified =
        root("/sys/fs/cgroup", [], CGROUP2_SUPER_MAGIC) ??
        root("/sys/fs/cgroup/unified", [], CGROUP2_SUPER_MAGIC);
      if (!unified) return undefined;
      continue;
    }
    const folder = names.startsWith("name=") ? names.slice("name=".length) : names;
    const hierarchy = root(`/sys/fs/cgroup/${folder}`, names.split(","), CGROUP_SUPER_MAGIC);
    if (!hierarchy) return undefined;
    v1.push(hierarchy);
  }
  return { mode: modeOf(v1, unified), v1, unified };
}

function modeOf(v1: readonly Hierarchy[], unified: Hierarchy | undefined): Cgroups["mode"] {
  return v1.length === 0 ? (unified ? "v2" : "none") : unified ? "hybrid" : "v1";
}

export const membershipText = (pid: number | "self") => readText(`/proc/${pid}/cgroup`);

export function membership(pid: number | "self"): Map<string, string> {
  return parseMembership(membershipText(pid));
}
