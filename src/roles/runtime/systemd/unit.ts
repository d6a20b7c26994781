// Which unit a container becomes: cgroupsPath in systemd's form, "slice:prefix:name". runc's docs/systemd.md
import type { Cgroups } from "../cgroup/hierarchy.ts";
import type { CgroupPaths } from "../cgroup/paths.ts";
import { RuntimeError } from "../errors.ts";

/** A container's unit; kept in state.json. */
export interface Unit {
  name: string;
  slice: string;
  /** Whether it is the user's own manager's, not the system's. */
  user: boolean;
}

/** The unit for a cgroupsPath; without one it is `runc-ID.scope`. Throws on any other form. */
export function unitOf(cgroupsPath: string | undefined, id: string, user: boolean): Unit {
  const fallback = user ? "user.slice" : "system.slice";
  if (!cgroupsPath) return { name: `runc-${id}.scope`, slice: fallback, user };
  const parts = cgroupsPath.split(":");
  if (parts.length !== 3)
    throw new RuntimeError(
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ${JSON.stringify(cgroupsPath)} instead`,
    );
  const [slice, prefix, name] = parts as [string, string, string];
  if (name === "" || `${prefix}${name}`.includes("/"))
    throw new RuntimeError(`invalid unit name in cgroupsPath ${JSON.stringify(cgroupsPath)}`);
  const unit = name.endsWith(".slice") ? name : prefix ? `${prefix}-${name}.scope` : `${name}.scope`;
  slicePath(slice || fallback);
  return { name: unit, slice: slice || fallback, user };
}

/** "a-b.slice" → "/a.slice/a-b.slice"; "-.slice" is the root. Throws on what is no slice. man 5 systemd.slice */
export function slicePath(slice: string): string {
  const invalid = () => new RuntimeError(`invalid slice name: ${slice}`);
  if (!slice.endsWith(".slice") || slice.includes("/")) throw invalid();
  const words = slice.slice(0, -".slice".length);
  if (words === "-") return "";
  if (words === "") throw invalid();
  let path = "";
  let prefix = "";
  for (const word of words.split("-")) {
    if (word === "") throw invalid();
    path += `/${prefix}${word}.slice`;
    prefix += `${word}-`;
  }
  return path;
}

/** The unit's directory in every hierarchy; `root`: the manager's own cgroup, "" for the system's. */
export function unitCgroups(cgroups: Cgroups, unit: Unit, root: string): CgroupPaths {
  const path = `${root}${slicePath(unit.slice)}/${unit.name}`;
  const paths: CgroupPaths = {};
  for (const { controllers, mountpoint } of cgroups.v1)
    for (const controller of controllers) paths[controller] = `${mountpoint}${path}`;
  if (cgroups.unified) paths[""] = `${cgroups.unified.mountpoint}${path}`;
  return paths;
}
