// Statistics of v1 controllers. Documentation/admin-guide/cgroup-v1
import { readControl } from "../cgroup/files.ts";
import type { CgroupPaths } from "../cgroup/paths.ts";
import {
  type BlkioEntry,
  type BlkioList,
  emptyStats,
  type MemoryEntry,
  orAbsent,
  type Stats,
} from "./document.ts";
import { hugePageSizes, keyed, listFormat, number, rows } from "./read.ts";

const SECOND = 1e9;
/** USER_HZ, the unit of cpuacct.stat: 100 on both machines. man 7 time */
const TICKS = 100;

export function statsV1(paths: CgroupPaths): Stats {
  const stats = emptyStats();
  readCpu(stats, paths);
  if (paths["cpuset"] !== undefined) readCpuset(stats, paths["cpuset"]);
  if (paths["memory"] !== undefined) readMemory(stats, paths["memory"]);
  stats.pids = {
    current: orAbsent(number(paths["pids"], "pids.current")),
    limit: orAbsent(number(paths["pids"], "pids.max")),
  };
  if (paths["blkio"] !== undefined) readBlkio(stats, paths["blkio"]);
  const { hugetlb } = paths;
  if (hugetlb !== undefined)
    for (const size of hugePageSizes()) {
      if (readControl(hugetlb, `hugetlb.${size}.failcnt`) === undefined) continue;
      stats.hugetlb[size] = {
        usage: orAbsent(number(hugetlb, `hugetlb.${size}.usage_in_bytes`)),
        max: orAbsent(number(hugetlb, `hugetlb.${size}.max_usage_in_bytes`)),
        failcnt: number(hugetlb, `hugetlb.${size}.failcnt`),
      };
    }
  return stats;
}

function readCpu(stats: Stats, { cpu, cpuacct }: CgroupPaths): void {
  const throttled = keyed(cpu, "cpu.stat");
  stats.cpu.throttling = {
    periods: orAbsent(throttled["nr_periods"]),
    throttledPeriods: orAbsent(throttled["nr_throttled"]),
    throttledTime: orAbsent(throttled["throttled_time"]),
  };
  if (cpuacct === undefined) return;
  const times = keyed(cpuacct, "cpuacct.stat");
  // cpuacct.usage_all: a header, then "cpu user system" a line.
  const all = rows(cpuacct, "cpuacct.usage_all").slice(1);
  stats.cpu.usage = {
    total: orAbsent(number(cpuacct, "cpuacct.usage")),
    percpu: rows(cpuacct, "cpuacct.usage_percpu")[0]?.map(Number),
    percpu_kernel: all.length > 0 ? all.map((row) => Number(row[2])) : undefined,
    percpu_user: all.length > 0 ? all.map((row) => Number(row[1])) : undefined,
    kernel: ((times["system"] ?? 0) * SECOND) / TICKS,
    user: ((times["user"] ?? 0) * SECOND) / TICKS,
  };
}

function readCpuset(stats: Stats, directory: string): void {
  const at = (file: string) => number(directory, `cpuset.${file}`);
  stats.cpuset = {
    cpus: listFormat(readControl(directory, "cpuset.cpus")),
    cpu_exclusive: at("cpu_exclusive"),
    mems: listFormat(readControl(directory, "cpuset.mems")),
    mem_hardwall: at("mem_hardwall"),
    mem_exclusive: at("mem_exclusive"),
    memory_migrate: at("memory_migrate"),
    memory_spread_page: at("memory_spread_page"),
    memory_spread_slab: at("memory_spread_slab"),
    memory_pressure: at("memory_pressure"),
    sched_load_balance: at("sched_load_balance"),
    sched_relax_domain_level: at("sched_relax_domain_level"),
  };
}

function readMemory(stats: Stats, directory: string): void {
  const entry = (name: string): MemoryEntry => {
    const at = (file: string) => number(directory, `memory.${name}${file}`);
    return {
      limit: at("limit_in_bytes"),
      usage: orAbsent(at("usage_in_bytes")),
      max: orAbsent(at("max_usage_in_bytes")),
      failcnt: at("failcnt"),
    };
  };
  const raw = keyed(directory, "memory.stat");
  stats.memory = {
    cache: orAbsent(raw["cache"]),
    usage: entry(""),
    swap: entry("memsw."),
    kernel: entry("kmem."),
    kernelTCP: entry("kmem.tcp."),
    raw,
  };
}

/** File below `blkio.` → list. The BFQ names exist with that scheduler, the throttle names always. */
const BLKIO: readonly [BlkioList, string[]][] = [
  [
    "ioServiceBytesRecursive",
    ["bfq.io_service_bytes_recursive", "throttle.io_service_bytes_recursive", "throttle.io_service_bytes"],
  ],
  [
    "ioServicedRecursive",
    ["bfq.io_serviced_recursive", "throttle.io_serviced_recursive", "throttle.io_serviced"],
  ],
  ["ioQueueRecursive", ["bfq.io_queued_recursive"]],
  ["ioServiceTimeRecursive", ["bfq.io_service_time_recursive"]],
  ["ioWaitTimeRecursive", ["bfq.io_wait_time_recursive"]],
  ["ioMergedRecursive", ["bfq.io_merged_recursive"]],
  ["ioTimeRecursive", ["bfq.time_recursive"]],
  ["sectorsRecursive", ["bfq.sectors_recursive"]],
];

function readBlkio(stats: Stats, directory: string): void {
  for (const [list, files] of BLKIO) {
    for (const file of files) {
      const entries = blkioEntries(rows(directory, `blkio.${file}`));
      if (entries.length === 0) continue;
      stats.blkio[list] = entries;
      break;
    }
  }
}

/** "8:0 Read 4096" or "8:0 4096"; the last line "Total 4096" is no device's. */
function blkioEntries(lines: readonly string[][]): BlkioEntry[] {
  return lines.flatMap((words) => {
    const device = /^(\d+):(\d+)$/.exec(words[0] ?? "");
    if (!device) return [];
    const op = words.length > 2 ? words[1] : undefined;
    return [
      {
        major: orAbsent(Number(device[1])),
        minor: orAbsent(Number(device[2])),
        op,
        value: orAbsent(Number(words.at(-1))),
      },
    ];
  });
}
