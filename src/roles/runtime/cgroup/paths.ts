// A container's cgroup directories: one a v1 hierarchy, and one in the unified hierarchy.
import { parentOf } from "../../../../ffi/path.ts";
import type { Cgroups, Hierarchy } from "./hierarchy.ts";

/** Controller name → directory; the unified hierarchy's name is "". The shape runc's state.json has. */
export type CgroupPaths = Record<string, string>;

/** As if from "/": no way out by "..". */
function clean(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

function below(mountpoint: string, ...parts: string[]): string {
  return `${mountpoint}/${clean(parts.join("/"))}`;
}

function relativeToRoot(own: string, hierarchy: Hierarchy): string {
  if (hierarchy.root === "/" || hierarchy.root === "") return own;
  return own.startsWith(hierarchy.root) ? own.slice(hierarchy.root.length) || "/" : own;
}

/**
 * Directories for `cgroupsPath` (default: the id). An absolute path starts at each hierarchy's root, a relative one at
 * the cgroup this process is in. config-linux.md#cgroups-path
 */
export function containerCgroups(
  cgroups: Cgroups,
  own: ReadonlyMap<string, string>,
  cgroupsPath: string | undefined,
  id: string,
): CgroupPaths {
  if (cgroupsPath?.includes(":") && !cgroupsPath.startsWith("/"))
    throw new Error(
      `cgroupsPath ${JSON.stringify(cgroupsPath)} is in systemd's form (slice:prefix:name), but --systemd-cgroup is not given`,
    );
  const name = cgroupsPath || id;
  const absolute = name.startsWith("/");
  const inside = clean(name);
  const at = (hierarchy: Hierarchy, controller: string) =>
    below(
      hierarchy.mountpoint,
      absolute ? "" : relativeToRoot(own.get(controller) ?? "/", hierarchy),
      inside,
    );
  const paths: CgroupPaths = {};
  for (const hierarchy of cgroups.v1)
    for (const controller of hierarchy.controllers) paths[controller] = at(hierarchy, controller);
  if (cgroups.unified) {
    // On a pure v2 host a cgroup with processes in it, as ours has, can hand no controllers down: its parent can.
    if (cgroups.mode === "v2" && !absolute) {
      const beside = parentOf(relativeToRoot(own.get("") ?? "/", cgroups.unified));
      paths[""] = below(cgroups.unified.mountpoint, beside, inside);
    } else paths[""] = at(cgroups.unified, "");
  }
  return paths;
}

/** The directories without repetition: controllers mounted together share one. */
export function directories(paths: CgroupPaths): string[] {
  return [...new Set(Object.values(paths))];
}
