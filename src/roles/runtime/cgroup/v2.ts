// Limits on the unified hierarchy. config-linux.md#control-groups; Documentation/admin-guide/cgroup-v2
import { parentOf } from "../../../../ffi/path.ts";
import type { Resources } from "../../../spec/oci/runtime.ts";
import { inEitherOrder, readControl, writeControl } from "./files.ts";
import { rdmaLines } from "./rdma.ts";

/** cpu.shares (2…262144) to cpu.weight (1…10000), as the spec's v1 numbers are read on v2. */
export function weightOfShares(shares: number): number {
  if (shares <= 0) return 0;
  return 1 + Math.floor(((Math.min(Math.max(shares, 2), 262144) - 2) * 9999) / 262142);
}

/** blkio.weight (10…1000) to io.weight (1…10000). */
export function ioWeight(weight: number): number {
  return weight <= 0 ? 0 : 1 + Math.floor(((weight - 10) * 9999) / 990);
}

const limit = (value: number) => (value < 0 ? "max" : String(value));

/** file → value, in order. Pure, for tests. Throws on what v2 cannot express. */
export function settingsV2(resources: Resources): [file: string, value: string][] {
  const out: [string, string][] = [];
  const { memory, cpu, pids, blockIO, hugepageLimits, rdma, unified } = resources;
  if (memory) {
    const { limit: memoryLimit, swap, reservation } = memory;
    if (swap) {
      // v1's swap is memory + swap, v2's is swap alone.
      if (swap > 0 && memoryLimit !== undefined && memoryLimit > 0) {
        if (swap < memoryLimit) throw new Error("memory+swap limit should be >= memory limit");
        out.push(["memory.swap.max", String(swap - memoryLimit)]);
      } else if (swap === -1) out.push(["memory.swap.max", "max"]);
      else throw new Error("unable to set swap limit without memory limit");
    }
    if (memoryLimit) out.push(["memory.max", limit(memoryLimit)]);
    if (reservation) out.push(["memory.low", limit(reservation)]);
  }
  if (cpu) {
    if (cpu.idle !== undefined) out.push(["cpu.idle", String(cpu.idle)]);
    if (cpu.shares) out.push(["cpu.weight", String(weightOfShares(cpu.shares))]);
    if (cpu.quota || cpu.period) {
      const quota = cpu.quota && cpu.quota > 0 ? String(cpu.quota) : "max";
      out.push(["cpu.max", `${quota} ${cpu.period || 100000}`]);
    }
    if (cpu.burst) out.push(["cpu.max.burst", String(cpu.burst)]);
    if (cpu.cpus) out.push(["cpuset.cpus", cpu.cpus]);
    if (cpu.mems) out.push(["cpuset.mems", cpu.mems]);
  }
  if (pids?.limit !== undefined && pids.limit !== 0) out.push(["pids.max", limit(pids.limit)]);
  if (blockIO) {
    if (blockIO.weight) out.push(["io.weight", `default ${ioWeight(blockIO.weight)}`]);
    for (const one of blockIO.weightDevice ?? [])
      if (one.weight) out.push(["io.weight", `${one.major}:${one.minor} ${ioWeight(one.weight)}`]);
    const throttle = (key: string, list: typeof blockIO.throttleReadBpsDevice) => {
      for (const one of list ?? []) out.push(["io.max", `${one.major}:${one.minor} ${key}=${one.rate}`]);
    };
    throttle("rbps", blockIO.throttleReadBpsDevice);
    throttle("wbps", blockIO.throttleWriteBpsDevice);
    throttle("riops", blockIO.throttleReadIOPSDevice);
    throttle("wiops", blockIO.throttleWriteIOPSDevice);
  }
  for (const { pageSize, limit: pages } of hugepageLimits ?? []) {
    out.push([`hugetlb.${pageSize}.max`, String(pages)]);
    out.push([`hugetlb.${pageSize}.rsvd.max`, String(pages)]);
  }
  for (const line of rdmaLines(rdma)) out.push(["rdma.max", line]);
  for (const [file, value] of Object.entries(unified ?? {})) {
    if (file.includes("/"))
      throw new Error(`unified resource ${JSON.stringify(file)} must be a file name (no slashes)`);
    for (const line of value.split("\n")) out.push([file, line]);
  }
  return out;
}

/** Hands every controller down from the root to the container's parent, so that its own directory has their files. */
export function enableControllers(directory: string, mountpoint: string): void {
  const available = (readControl(mountpoint, "cgroup.controllers") ?? "").split(" ").filter(Boolean);
  const levels: string[] = [];
  for (let at = parentOf(directory); at.length >= mountpoint.length; at = parentOf(at)) levels.unshift(at);
  for (const level of levels) {
    const enabled = new Set((readControl(level, "cgroup.subtree_control") ?? "").split(" "));
    const missing = available.filter((name) => !enabled.has(name));
    // One by one: a controller that is refused (cpuset on a host without, cpu with real-time tasks) must not cost the others.
    for (const name of missing) {
      try {
        writeControl(level, "cgroup.subtree_control", `+${name}`);
      } catch {
        // Its absence shows when a limit of that controller is asked for.
      }
    }
  }
}

export function applyV2(directory: string, resources: Resources): void {
  refuseV1Only(resources);
  if (resources.memory?.checkBeforeUpdate) checkUsage(directory, resources.memory.limit);
  inEitherOrder(settingsV2(resources), ([file, value]) => {
    if (file.startsWith("hugetlb.") && readControl(directory, file) === undefined) return;
    if (file === "memory.swap.max" && value === "0" && readControl(directory, file) === undefined) return;
    writeControl(directory, file, value);
  });
}

/** Fields of v1 that have no counterpart. config-linux.md: "If the conversion is not possible the runtime MUST generate an error" */
function refuseV1Only({ memory, cpu, network }: Resources): void {
  const refuse = (field: string) => {
    throw new Error(`linux.resources.${field} cannot be set on a cgroup v2 host`);
  };
  if (memory?.swappiness !== undefined) refuse("memory.swappiness");
  if (cpu?.realtimeRuntime) refuse("cpu.realtimeRuntime");
  if (cpu?.realtimePeriod) refuse("cpu.realtimePeriod");
  if (network?.classID) refuse("network.classID");
  if (network?.priorities?.length) refuse("network.priorities");
}

/** v1 refuses a limit below what is in use, v2 kills: `checkBeforeUpdate` asks for v1's way. */
function checkUsage(directory: string, memoryLimit: number | undefined): void {
  if (!memoryLimit || memoryLimit < 0) return;
  const usage = Number(readControl(directory, "memory.current") ?? 0);
  if (usage > memoryLimit)
    throw new Error(`rejecting memory limit ${memoryLimit}: ${usage} bytes are in use (checkBeforeUpdate)`);
}
