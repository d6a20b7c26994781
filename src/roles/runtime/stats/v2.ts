// Statistics of the unified hierarchy. Documentation/admin-guide/cgroup-v2
import { readControl } from "../cgroup/files.ts";
import { type BlkioEntry, emptyStats, orAbsent, type PressureStats, type Stats } from "./document.ts";
import { hugePageSizes, keyed, number, rows } from "./read.ts";

const MICROSECOND = 1000;
/** What programs that grew up with v1 expect where nothing limits. */
const UNLIMITED = 2 ** 64;

export function statsV2(directory: string): Stats {
  const stats = emptyStats();
  const cpu = keyed(directory, "cpu.stat");
  const nanoseconds = (key: string) => (cpu[key] ?? 0) * MICROSECOND;
  stats.cpu = {
    usage: {
      total: orAbsent(nanoseconds("usage_usec")),
      kernel: nanoseconds("system_usec"),
      user: nanoseconds("user_usec"),
    },
    throttling: {
      periods: orAbsent(cpu["nr_periods"]),
      throttledPeriods: orAbsent(cpu["nr_throttled"]),
      throttledTime: orAbsent(nanoseconds("throttled_usec")),
    },
    psi: pressure(directory, "cpu.pressure"),
  };
  readMemory(stats, directory);
  stats.pids = {
    current: orAbsent(number(directory, "pids.current")),
    limit: orAbsent(number(directory, "pids.max")),
  };
  readIo(stats, directory);
  for (const size of hugePageSizes()) {
    if (readControl(directory, `hugetlb.${size}.current`) === undefined) continue;
    stats.hugetlb[size] = {
      usage: orAbsent(number(directory, `hugetlb.${size}.current`)),
      failcnt: keyed(directory, `hugetlb.${size}.events`)["max"] ?? 0,
    };
  }
  return stats;
}

const limitOf = (directory: string, file: string) => {
  const text = readControl(directory, file);
  return text === "max" ? UNLIMITED : Number(text ?? 0);
};

function readMemory(stats: Stats, directory: string): void {
  const raw = keyed(directory, "memory.stat");
  if (Object.keys(raw).length === 0) return;
  const usage = number(directory, "memory.current");
  const limit = limitOf(directory, "memory.max");
  const events = keyed(directory, "memory.events");
  const swapLimit = limitOf(directory, "memory.swap.max");
  stats.memory = {
    cache: orAbsent(raw["file"]),
    usage: {
      limit,
      usage: orAbsent(usage),
      max: orAbsent(number(directory, "memory.peak")),
      failcnt: events["max"] ?? 0,
    },
    // As on v1: memory and swap together.
    swap: {
      limit: swapLimit === UNLIMITED ? UNLIMITED : swapLimit + limit,
      usage: orAbsent(usage + number(directory, "memory.swap.current")),
      failcnt: keyed(directory, "memory.swap.events")["fail"] ?? 0,
    },
    kernel: { limit: 0, usage: orAbsent(raw["kernel"]), failcnt: 0 },
    kernelTCP: { limit: 0, usage: orAbsent(raw["sock"]), failcnt: 0 },
    raw,
    psi: pressure(directory, "memory.pressure"),
    event_count: events,
  };
}

/** io.stat keys → list and the operation's name on v1. */
const IO = [
  ["rbytes", "ioServiceBytesRecursive", "Read"],
  ["wbytes", "ioServiceBytesRecursive", "Write"],
  ["dbytes", "ioServiceBytesRecursive", "Discard"],
  ["rios", "ioServicedRecursive", "Read"],
  ["wios", "ioServicedRecursive", "Write"],
  ["dios", "ioServicedRecursive", "Discard"],
] as const;

function readIo(stats: Stats, directory: string): void {
  for (const [device = "", ...pairs] of rows(directory, "io.stat")) {
    const [major, minor] = device.split(":").map(Number);
    if (minor === undefined) continue;
    const values = Object.fromEntries(pairs.map((pair) => pair.split("=")));
    for (const [key, list, op] of IO) {
      if (values[key] === undefined) continue;
      const entry: BlkioEntry = {
        major: orAbsent(major),
        minor: orAbsent(minor),
        op,
        value: orAbsent(Number(values[key])),
      };
      stats.blkio[list] = [...(stats.blkio[list] ?? []), entry];
    }
  }
  stats.blkio.psi = pressure(directory, "io.pressure");
}

/** "some avg10=0.00 avg60=0.00 avg300=0.00 total=0"; undefined where the kernel keeps none. Documentation/accounting/psi.rst */
function pressure(directory: string, file: string): PressureStats | undefined {
  let lines: string[][];
  try {
    lines = rows(directory, file);
  } catch {
    // psi=0 on the kernel's command line: the file is there and cannot be read.
    return undefined;
  }
  if (lines.length === 0) return undefined;
  const out: PressureStats = {};
  for (const [kind, ...pairs] of lines) {
    const values = Object.fromEntries(pairs.map((pair) => pair.split("=")));
    const [avg10, avg60, avg300, total] = ["avg10", "avg60", "avg300", "total"].map((key) =>
      Number(values[key] ?? 0),
    );
    if (kind === "some" || kind === "full")
      out[kind] = { avg10: avg10!, avg60: avg60!, avg300: avg300!, total: total! };
  }
  return out;
}
