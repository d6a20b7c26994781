// linux.intelRdt: the container's part of the last-level cache and of the memory bandwidth, as a group of the resctrl file
// system. config-linux.md#intelrdt, Documentation/arch/x86/resctrl.rst
import { isErrno } from "../../../../ffi/errno.ts";
import { exists, makeDirectory, readText, removeDirectory } from "../../../../ffi/path.ts";
import type { IntelRdt } from "../../../spec/oci/runtime.ts";
import { readControl, writeControl } from "../cgroup/files.ts";
import { RuntimeError } from "../errors.ts";

/** Where the groups of a container are, kept in state.json so that `delete` finds what was made. */
export interface RdtGroups {
  group: string;
  /** Whether the group is the container's own, to be removed with it. */
  own: boolean;
  /** Its monitoring group, when it was asked for. */
  monitor: string | undefined;
}

/** The mountpoint of resctrl in /proc/self/mountinfo. Throws when it is not mounted. man 5 proc */
export function resctrlMount(mountinfo = readText("/proc/self/mountinfo")): string {
  const line = mountinfo.split("\n").find((one) => one.includes(" - resctrl "));
  if (line === undefined)
    throw new RuntimeError(
      "linux.intelRdt: intelRdt is specified in config, but Intel RDT is not enabled: resctrl is not mounted on this host",
    );
  return line.split(" ")[4]!;
}

/** Names of the groups, before anything is made. Throws on a closID that is no name. */
export function rdtGroups(rdt: IntelRdt, id: string, mountpoint: string): RdtGroups {
  const { closID } = rdt;
  if (closID !== undefined && (closID === "." || closID === ".." || closID.includes("/")))
    throw new RuntimeError(`linux.intelRdt.closID: invalid name ${JSON.stringify(closID)}`);
  // "/" stands for the default group, the file system's root.
  const group =
    closID === undefined ? `${mountpoint}/${id}` : closID ? `${mountpoint}/${closID}` : mountpoint;
  return {
    group,
    own: closID === undefined,
    monitor: rdt.enableMonitoring ? `${group}/mon_groups/${id}` : undefined,
  };
}

/** Lines for the schemata file, in the order the specification asks for. */
export function schemataLines({ l3CacheSchema, memBwSchema, schemata }: IntelRdt): string[] {
  const cache = (l3CacheSchema ?? "")
    .split("\n")
    .filter((line) => line !== "" && !(memBwSchema && line.startsWith("MB:")));
  return [...cache, ...(memBwSchema ? [memBwSchema] : []), ...(schemata ?? [])];
}

/** Makes the groups and writes what they allow. Throws when a group of the host's allows something else. */
export function makeRdtGroups(rdt: IntelRdt, { group, own, monitor }: RdtGroups): void {
  const lines = schemataLines(rdt);
  const found = exists(group);
  if (!found && !own && lines.length === 0)
    throw new RuntimeError(
      `linux.intelRdt.closID: clos ${group} does not exist, and no schema is given to make it with`,
    );
  if (!found) makeDirectory(group, 0o755);
  if (found && !own) compare(group, lines);
  else for (const line of lines) writeControl(group, "schemata", `${line}\n`);
  if (monitor) makeDirectory(monitor, 0o755);
}

/** Puts a process into them. */
export function joinRdtGroups({ group, monitor }: RdtGroups, pid: number): void {
  writeControl(group, "tasks", `${pid}\n`);
  if (monitor) writeControl(monitor, "tasks", `${pid}\n`);
}

/** Removes what belongs to the container alone; a named group is its maker's. */
export function removeRdtGroups({ group, own, monitor }: RdtGroups): void {
  for (const directory of [monitor, own ? group : undefined]) {
    if (!directory) continue;
    try {
      removeDirectory(directory);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
}

/** Changes a running container's schemas (`update --l3-cache-schema`, `--mem-bw-schema`). */
export function updateRdtGroups(rdt: IntelRdt, { group }: RdtGroups): void {
  for (const line of schemataLines(rdt)) writeControl(group, "schemata", `${line}\n`);
}

const words = (line: string) => line.replace(/\s+/g, "").replace(/=0+(?=[0-9a-f])/gi, "=");

function compare(group: string, lines: readonly string[]): void {
  const now = new Set((readControl(group, "schemata") ?? "").split("\n").map(words));
  const other = lines.find((line) => !now.has(words(line)));
  if (other !== undefined)
    throw new RuntimeError(
      `linux.intelRdt: the group ${group} is there, and does not have the schema ${other}`,
    );
}
