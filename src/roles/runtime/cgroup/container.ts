// The life of a container's cgroups: made before it starts, removed when it is deleted.

import { isErrno } from "../../../../ffi/errno.ts";
import { exists, kindOf, makeDirectories, namesAt, removeDirectory } from "../../../../ffi/path.ts";
import type { Resources } from "../../../spec/oci/runtime.ts";
import { applyDevicesV2 } from "./device-program.ts";
import { readControl, writeControl } from "./files.ts";
import type { Cgroups } from "./hierarchy.ts";
import { type CgroupPaths, directories } from "./paths.ts";
import { applyDevicesV1, applyV1, seedCpuset } from "./v1.ts";
import { applyV2, enableControllers } from "./v2.ts";

/**
 * Makes the directories and sets the limits. What it made is removed again by `removeCgroups`, whatever became of it: when
 * the cgroup is somebody else's, `paths` is emptied. `ours`: what is there was made for this container (by systemd).
 */
export function createCgroups(
  cgroups: Cgroups,
  paths: CgroupPaths,
  resources: Resources,
  ours = false,
): void {
  const made = new Set<string>();
  let found = false;
  for (const [controller, directory] of Object.entries(paths)) {
    // Controllers that are mounted together share a directory.
    const fresh = made.has(directory) || makeDirectories(directory, 0o755);
    if (fresh) made.add(directory);
    else found = true;
    if (controller === "cpuset" && fresh) {
      const hierarchy = cgroups.v1.find((one) => one.controllers.includes("cpuset"));
      if (hierarchy) seedCpuset(directory, hierarchy.mountpoint);
    }
  }
  if (found && !ours) checkFitness(paths, made);
  applyResources(cgroups, paths, resources);
  if (paths["devices"]) applyDevicesV1(paths["devices"], resources);
  else if (paths[""] !== undefined) applyDevicesV2(paths[""], resources.devices ?? []);
}

/** A cgroup that was there already must not be somebody else's, nor keep the container from running. config-linux.md#control-groups */
function checkFitness(paths: CgroupPaths, made: ReadonlySet<string>): void {
  const found = directories(paths).filter((directory) => !made.has(directory));
  const pids = Math.max(...found.map((directory) => pidsBelow(directory).length));
  const complaint =
    pids > 0
      ? `container's cgroup is not empty: ${pids} process(es) found`
      : isFrozen(paths)
        ? "container's cgroup unexpectedly frozen"
        : undefined;
  if (complaint === undefined) return;
  // What is not ours must not be removed when this failure is undone.
  for (const directory of [...made].reverse()) removeTree(directory);
  for (const controller of Object.keys(paths)) delete paths[controller];
  throw new Error(complaint);
}

/** Sets the limits of `resources` on a container's cgroups (`create` and `update`). */
export function applyResources(cgroups: Cgroups, paths: CgroupPaths, resources: Resources): void {
  if (cgroups.mode === "v2" && paths[""] !== undefined) {
    if (Object.keys(resources).length > 0 && cgroups.unified)
      enableControllers(paths[""], cgroups.unified.mountpoint);
    applyV2(paths[""], resources);
  } else {
    if (resources.unified && Object.keys(resources.unified).length > 0)
      throw new Error("unified resources need a cgroup v2 host");
    applyV1(paths, resources);
  }
}

/** Process ids in the container's cgroups (its whole subtree); empty when they are gone. */
export function cgroupPids(paths: CgroupPaths): number[] {
  // v1's freezer or pids as runc does; every hierarchy holds the same processes.
  const directory =
    paths["devices"] ?? paths["pids"] ?? paths["freezer"] ?? paths[""] ?? Object.values(paths)[0];
  return directory === undefined ? [] : pidsBelow(directory);
}

function pidsBelow(directory: string): number[] {
  const own = (readControl(directory, "cgroup.procs") ?? "").split("\n").filter(Boolean).map(Number);
  return [...own, ...directoriesIn(directory).flatMap(pidsBelow)];
}

/** A cgroup's children. */
function directoriesIn(directory: string): string[] {
  return (namesAt(directory) ?? [])
    .map((name) => `${directory}/${name}`)
    .filter((path) => exists(path) && kindOf(path) === "directory");
}

export type FreezeState = "THAWED" | "FREEZING" | "FROZEN";

/** Freezes or thaws. v1: freezer.state; v2: cgroup.freeze. */
export function setFrozen(paths: CgroupPaths, frozen: boolean): void {
  const v1 = paths["freezer"];
  if (v1 !== undefined) writeControl(v1, "freezer.state", frozen ? "FROZEN" : "THAWED");
  else if (paths[""] !== undefined) writeControl(paths[""], "cgroup.freeze", frozen ? "1" : "0");
  else throw new Error("no freezer cgroup: the container cannot be paused");
}

/** Moves a process into the container's own freezer (v1, where a frozen process does not even die), if it is elsewhere. */
export function bringBack(paths: CgroupPaths, pid: number): void {
  const directory = paths["freezer"];
  if (
    directory === undefined ||
    (readControl(directory, "cgroup.procs") ?? "").split("\n").includes(String(pid))
  )
    return;
  try {
    writeControl(directory, "cgroup.procs", String(pid));
  } catch {
    // It has just ended, or the cgroup is gone; the caller's wait tells.
  }
}

export function isFrozen(paths: CgroupPaths): boolean {
  const v1 = paths["freezer"];
  if (v1 !== undefined) {
    const state = readControl(v1, "freezer.state");
    // A freezing cgroup is on its way: its processes no longer run user code once it arrives.
    return state === "FROZEN" || state === "FREEZING";
  }
  return paths[""] !== undefined && readControl(paths[""], "cgroup.freeze") === "1";
}

/** Waits until every process is frozen. A v1 freeze can stall on a process that forks; writing the state again helps. */
export function waitFrozen(paths: CgroupPaths, deadlineMs = 5000): void {
  const until = performance.now() + deadlineMs;
  const { freezer, "": unified } = paths;
  for (;;) {
    const done =
      freezer !== undefined
        ? readControl(freezer, "freezer.state") === "FROZEN"
        : /^frozen 1$/m.test(readControl(unified ?? "", "cgroup.events") ?? "");
    if (done) return;
    if (performance.now() > until)
      throw new Error("unable to freeze: the container's processes did not stop in time");
    Bun.sleepSync(1);
    if (freezer !== undefined) writeControl(freezer, "freezer.state", "FROZEN");
  }
}

/** Kills every process of the unified cgroup at once, where the kernel can (5.14). Returns whether it did. */
export function killCgroup(paths: CgroupPaths): boolean {
  const directory = paths[""];
  if (directory === undefined || !exists(`${directory}/cgroup.kill`)) return false;
  writeControl(directory, "cgroup.kill", "1");
  return true;
}

function removeTree(directory: string): void {
  try {
    removeDirectory(directory);
    return;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    if (!isErrno(error, "EBUSY", "ENOTEMPTY")) throw error;
  }
  for (const child of directoriesIn(directory)) removeTree(child);
  try {
    removeDirectory(directory);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/** Removes the directories. A process that is just dying keeps one busy for a moment, so it tries until the deadline. */
export async function removeCgroups(paths: CgroupPaths, deadlineMs = 2000): Promise<void> {
  const until = performance.now() + deadlineMs;
  let left = directories(paths);
  let wait = 1;
  for (;;) {
    left = left.filter((directory) => {
      try {
        removeTree(directory);
        return false;
      } catch (error) {
        if (!isErrno(error, "EBUSY", "ENOTEMPTY")) throw error;
        return true;
      }
    });
    if (left.length === 0) return;
    if (performance.now() > until)
      throw new Error(`failed to remove cgroups: ${left.join(", ")}: device or resource busy`);
    await Bun.sleep(wait);
    wait = Math.min(wait * 2, 50);
  }
}
