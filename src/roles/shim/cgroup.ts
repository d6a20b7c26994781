// Reading a container's cgroup, v1, v2 or both (hybrid). man 7 cgroups.
import { kindOf, namesAt, readText } from "../../../ffi/path.ts";

export interface Cgroup {
  /** v1: controller → directory. Empty on a pure v2 host. */
  v1: Readonly<Record<string, string>>;
  /** v2 directory, where that hierarchy is mounted. */
  v2: string | undefined;
}

export interface Hierarchy {
  mountPoint: string;
  /** What of the hierarchy is mounted there. */
  root: string;
  /** v1: its controllers; v2: undefined. */
  controllers: readonly string[] | undefined;
}

/** The mounted cgroup hierarchies. */
export function hierarchies(): Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of readText("/proc/self/mountinfo").split("\n")) {
    const [left, right] = line.split(" - ");
    if (!left || !right) continue;
    const [, , , root, mountPoint] = left.split(" ");
    const [type, , superOptions] = right.split(" ");
    if (type === "cgroup2") found.push({ mountPoint: mountPoint!, root: root!, controllers: undefined });
    else if (type === "cgroup")
      found.push({ mountPoint: mountPoint!, root: root!, controllers: superOptions!.split(",") });
  }
  return found;
}

/** The cgroup that a process is in; undefined when it has ended. */
export function cgroupOf(pid: number): Cgroup | undefined {
  let text: string;
  try {
    text = readText(`/proc/${pid}/cgroup`);
  } catch {
    return undefined;
  }
  const v1: Record<string, string> = {};
  let v2: string | undefined;
  const mounts = hierarchies();
  for (const line of text.trimEnd().split("\n")) {
    const [, names, ...rest] = line.split(":");
    const path = rest.join(":");
    const below = (mount: Hierarchy) =>
      `${mount.mountPoint}/${mount.root === "/" ? path : path.slice(mount.root.length)}`.replaceAll(
        /\/+/g,
        "/",
      );
    if (names === "") {
      const mount = mounts.find(({ controllers }) => controllers === undefined);
      if (mount) v2 = below(mount);
      continue;
    }
    for (const name of names!.split(",")) {
      const mount = mounts.find(({ controllers }) => controllers?.includes(name));
      if (mount) v1[name] = below(mount);
    }
  }
  return { v1, v2 };
}

/** A cgroup file's text; "" when there is none. */
export function read(directory: string | undefined, file: string): string {
  if (!directory) return "";
  try {
    return readText(`${directory}/${file}`);
  } catch {
    return "";
  }
}

/** A file of "key value" lines. */
export function pairs(text: string): Record<string, bigint> {
  const found: Record<string, bigint> = {};
  for (const line of text.split("\n")) {
    const [key, value] = line.split(" ");
    if (key && value && /^\d+$/.test(value)) found[key] = BigInt(value);
  }
  return found;
}

/** How many of the container's processes the kernel killed for lack of memory. */
export function oomKills(cgroup: Cgroup): number {
  const v1 = pairs(read(cgroup.v1["memory"], "memory.oom_control"))["oom_kill"];
  const v2 = pairs(read(cgroup.v2, "memory.events"))["oom_kill"];
  return Number(v1 ?? v2 ?? 0n);
}

/** Whether its processes are stopped, or are being. */
export function frozen({ v1, v2 }: Cgroup): boolean {
  const freezer = v1["freezer"];
  if (freezer === undefined) return read(v2, "cgroup.freeze").trim() === "1";
  return read(freezer, "freezer.state").startsWith("FR");
}

/** Every process of the cgroup and of those below it. */
export function processesOf({ v1, v2 }: Cgroup): number[] {
  const top = v1["pids"] ?? v1["devices"] ?? v1["memory"] ?? v1["name=systemd"] ?? v2;
  const pids: number[] = [];
  const walk = (directory: string) => {
    for (const line of read(directory, "cgroup.procs").split("\n")) if (line !== "") pids.push(Number(line));
    try {
      for (const name of namesAt(directory) ?? [])
        if (kindOf(`${directory}/${name}`) === "directory") walk(`${directory}/${name}`);
    } catch {
      // It was removed meanwhile, with everything in it.
    }
  };
  if (top) walk(top);
  return pids;
}
