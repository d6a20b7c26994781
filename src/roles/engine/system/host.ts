// Facts about this machine for /info and /version.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** PRETTY_NAME and VERSION_ID of os-release(5). */
export function operatingSystem(): { name: string; version: string } {
  const text = read("/etc/os-release") || read("/usr/lib/os-release");
  const field = (name: string): string =>
    new RegExp(`^${name}=(?:"([^"]*)"|'([^']*)'|(.*))$`, "m")
      .exec(text)
      ?.slice(1)
      .find((group) => group !== undefined) ?? "";
  return { name: field("PRETTY_NAME") || "Linux", version: field("VERSION_ID") };
}

/** What the kernel's cgroups offer here; field names are those of /info. */
export interface CgroupFacts {
  version: "1" | "2";
  MemoryLimit: boolean;
  SwapLimit: boolean;
  CpuCfsPeriod: boolean;
  CpuCfsQuota: boolean;
  CPUShares: boolean;
  CPUSet: boolean;
  PidsLimit: boolean;
  OomKillDisable: boolean;
}

// Mount points of the v1 controllers. A plain directory of a controller's name under /sys/fs/cgroup is no cgroup.
function controllers1(mountinfo: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [type, , options = ""] = after.split(" ");
    if (type !== "cgroup") continue;
    const target = before.split(" ")[4] ?? "";
    for (const option of options.split(",")) found.set(option, target);
  }
  return found;
}

/** Reads the cgroup set-up: v2 when /sys/fs/cgroup is one, else the v1 controllers that are mounted. */
export function cgroupFacts(): CgroupFacts {
  const unified = read("/sys/fs/cgroup/cgroup.controllers");
  if (unified !== "") {
    const has = new Set(unified.trim().split(" "));
    const own = /^0::(.*)$/m.exec(read("/proc/self/cgroup"))?.[1] ?? "/";
    return {
      version: "2",
      MemoryLimit: has.has("memory"),
      // The root group has no such file; a memory controller without one is a kernel without swap accounting.
      SwapLimit:
        has.has("memory") && (own === "/" || existsSync(join("/sys/fs/cgroup", own, "memory.swap.max"))),
      CpuCfsPeriod: has.has("cpu"),
      CpuCfsQuota: has.has("cpu"),
      CPUShares: has.has("cpu"),
      CPUSet: has.has("cpuset"),
      PidsLimit: has.has("pids"),
      OomKillDisable: false,
    };
  }
  const mounted = controllers1(read("/proc/self/mountinfo"));
  const file = (controller: string, name: string): boolean => {
    const root = mounted.get(controller);
    return root !== undefined && existsSync(join(root, name));
  };
  return {
    version: "1",
    MemoryLimit: file("memory", "memory.limit_in_bytes"),
    SwapLimit: file("memory", "memory.memsw.limit_in_bytes"),
    CpuCfsPeriod: file("cpu", "cpu.cfs_period_us"),
    CpuCfsQuota: file("cpu", "cpu.cfs_quota_us"),
    CPUShares: file("cpu", "cpu.shares"),
    CPUSet: mounted.has("cpuset"),
    PidsLimit: mounted.has("pids"),
    OomKillDisable: file("memory", "memory.oom_control"),
  };
}

export function ipv4Forwarding(): boolean {
  return read("/proc/sys/net/ipv4/ip_forward").trim() === "1";
}

export function cgroupNamespaces(): boolean {
  return existsSync("/proc/self/ns/cgroup");
}

/** What people should know about limits that cannot be enforced here, in docker's words. */
export function cgroupWarnings(facts: CgroupFacts): string[] {
  const warnings: string[] = [];
  const lacking = (ok: boolean, what: string): void => {
    if (!ok) warnings.push(`WARNING: No ${what} support`);
  };
  lacking(facts.MemoryLimit, "memory limit");
  lacking(facts.SwapLimit, "swap limit");
  lacking(facts.CpuCfsQuota, "cpu cfs quota");
  lacking(facts.CpuCfsPeriod, "cpu cfs period");
  lacking(facts.CPUShares, "cpu shares");
  lacking(facts.CPUSet, "cpuset");
  lacking(facts.PidsLimit, "pids limit");
  return warnings;
}
