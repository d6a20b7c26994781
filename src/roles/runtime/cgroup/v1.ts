// Limits on v1 controllers. config-linux.md#control-groups; Documentation/admin-guide/cgroup-v1
import type { Resources } from "../../../spec/oci/runtime.ts";
import { deviceRules } from "./device-rules.ts";
import { inEitherOrder, readControl, writeControl } from "./files.ts";
import type { CgroupPaths } from "./paths.ts";
import { rdmaLines } from "./rdma.ts";

/** One write: controller, file, value. */
export interface Setting {
  controller: string;
  file: string;
  value: string;
}

/** What `resources` asks for on v1, in the order the kernel wants it. Pure, for tests. */
export function settingsV1(resources: Resources): Setting[] {
  const out: Setting[] = [];
  const set = (controller: string, file: string, value: number | string | boolean | undefined) => {
    if (value !== undefined && value !== "") out.push({ controller, file, value: String(value) });
  };
  const { memory, cpu, pids, blockIO, hugepageLimits, network, rdma } = resources;
  if (memory) {
    // The swap limit counts memory too, so it may never be below: which goes first depends on the old value (applyMemory).
    if (memory.limit) set("memory", "memory.limit_in_bytes", memory.limit);
    if (memory.swap) set("memory", "memory.memsw.limit_in_bytes", memory.swap);
    if (memory.reservation) set("memory", "memory.soft_limit_in_bytes", memory.reservation);
    if (memory.kernelTCP) set("memory", "memory.kmem.tcp.limit_in_bytes", memory.kernelTCP);
    if (memory.disableOOMKiller) set("memory", "memory.oom_control", 1);
    if (memory.swappiness !== undefined) set("memory", "memory.swappiness", memory.swappiness);
  }
  if (cpu) {
    // First: while a cgroup is idle its shares cannot be set.
    set("cpu", "cpu.idle", cpu.idle);
    if (cpu.shares) set("cpu", "cpu.shares", cpu.shares);
    if (cpu.period) set("cpu", "cpu.cfs_period_us", cpu.period);
    if (cpu.burst) set("cpu", "cpu.cfs_burst_us", cpu.burst);
    if (cpu.quota) set("cpu", "cpu.cfs_quota_us", cpu.quota);
    if (cpu.realtimePeriod) set("cpu", "cpu.rt_period_us", cpu.realtimePeriod);
    if (cpu.realtimeRuntime) set("cpu", "cpu.rt_runtime_us", cpu.realtimeRuntime);
    set("cpuset", "cpuset.cpus", cpu.cpus);
    set("cpuset", "cpuset.mems", cpu.mems);
  }
  if (pids?.limit !== undefined && pids.limit !== 0)
    set("pids", "pids.max", pids.limit > 0 ? pids.limit : "max");
  if (blockIO) {
    set("blkio", "blkio.weight", blockIO.weight || undefined);
    set("blkio", "blkio.leaf_weight", blockIO.leafWeight || undefined);
    for (const one of blockIO.weightDevice ?? []) {
      if (one.weight) set("blkio", "blkio.weight_device", `${one.major}:${one.minor} ${one.weight}`);
      if (one.leafWeight)
        set("blkio", "blkio.leaf_weight_device", `${one.major}:${one.minor} ${one.leafWeight}`);
    }
    const throttle = (file: string, list: typeof blockIO.throttleReadBpsDevice) => {
      for (const one of list ?? [])
        set("blkio", `blkio.throttle.${file}`, `${one.major}:${one.minor} ${one.rate}`);
    };
    throttle("read_bps_device", blockIO.throttleReadBpsDevice);
    throttle("write_bps_device", blockIO.throttleWriteBpsDevice);
    throttle("read_iops_device", blockIO.throttleReadIOPSDevice);
    throttle("write_iops_device", blockIO.throttleWriteIOPSDevice);
  }
  for (const { pageSize, limit } of hugepageLimits ?? []) {
    set("hugetlb", `hugetlb.${pageSize}.limit_in_bytes`, limit);
    set("hugetlb", `hugetlb.${pageSize}.rsvd.limit_in_bytes`, limit);
  }
  for (const line of rdmaLines(rdma)) set("rdma", "rdma.max", line);
  if (network?.classID) set("net_cls", "net_cls.classid", network.classID);
  for (const { name, priority } of network?.priorities ?? [])
    set("net_prio", "net_prio.ifpriomap", `${name} ${priority}`);
  return out;
}

/** Applies limits to v1 directories that exist. Throws when a limit is asked for whose controller is not mounted. */
export function applyV1(paths: CgroupPaths, resources: Resources): void {
  inEitherOrder(settingsV1(resources), ({ controller, file, value }) => {
    const directory = paths[controller];
    if (directory === undefined) {
      // Huge pages: engines send limits for every size of the machine, most of them "unlimited".
      if (controller === "hugetlb") return;
      throw new Error(`cannot set ${file}: the ${controller} controller is not mounted`);
    }
    if (file === "memory.limit_in_bytes" || file === "memory.memsw.limit_in_bytes")
      writeMemory(directory, file, value, resources);
    else if (file.includes(".rsvd.") && readControl(directory, file) === undefined) return;
    else if (file === "blkio.weight" && readControl(directory, file) === undefined)
      writeControl(directory, "blkio.bfq.weight", bfqWeight(Number(value)));
    else writeControl(directory, file, value);
  });
}

/** The BFQ scheduler's range is 1–1000, CFQ's was 10–1000; the numbers mean the same. */
const bfqWeight = (weight: number) => String(weight);

function writeMemory(directory: string, file: string, value: string, resources: Resources): void {
  const swapFile = "memory.memsw.limit_in_bytes";
  if (file === swapFile) {
    // Written together with the limit, or alone when only the swap changes.
    if (!resources.memory?.limit) writeControl(directory, swapFile, value);
    return;
  }
  const swap = resources.memory?.swap;
  if (swap && readControl(directory, swapFile) === undefined) {
    if (swap > 0)
      throw new Error("the kernel counts no swap for cgroups (swapaccount=0): memory.swap cannot be limited");
    writeControl(directory, file, value);
    return;
  }
  if (!swap) {
    writeControl(directory, file, value);
    return;
  }
  const current = Number(readControl(directory, file));
  const growing = swap === -1 || current < swap;
  if (growing) {
    writeControl(directory, swapFile, String(swap));
    writeControl(directory, file, value);
  } else {
    writeControl(directory, file, value);
    writeControl(directory, swapFile, String(swap));
  }
}

/** cpuset starts empty in a new cgroup, and nothing can run there: every level takes over its parent's. */
export function seedCpuset(directory: string, mountpoint: string): void {
  const levels: string[] = [];
  for (let at = directory; at.length > mountpoint.length; at = at.slice(0, at.lastIndexOf("/")))
    levels.unshift(at);
  for (const level of levels) {
    const parent = level.slice(0, level.lastIndexOf("/"));
    for (const file of ["cpuset.cpus", "cpuset.mems"])
      if (readControl(level, file) === "") writeControl(level, file, readControl(parent, file) ?? "");
  }
}

/** The device whitelist: everything off, then what is allowed. */
export function applyDevicesV1(directory: string, resources: Resources): void {
  for (const { file, value } of deviceRules(resources.devices ?? [])) writeControl(directory, file, value);
}
