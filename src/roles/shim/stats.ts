// Task.Stats: the container's cgroup figures, in the message of the hierarchy that holds its controllers.
import { encode, type Init } from "../../wire/ttrpc/codec.ts";
import {
  type BlkEntry1,
  type IoEntry2,
  MEMORY1_FIELDS,
  MEMORY2_FIELDS,
  Metrics1,
  Metrics2,
} from "../../wire/ttrpc/messages/metrics.ts";
import { type Cgroup, pairs, read } from "./cgroup.ts";

/** "max", and v1's page-rounded LONG_MAX, are no limit: 2^64-1 as containerd's v1 figures have it for pids: 0. */
function number(text: string, unlimited = 0n): bigint {
  const trimmed = text.trim();
  return /^\d+$/.test(trimmed) ? BigInt(trimmed) : unlimited;
}

const UNLIMITED = (1n << 64n) - 1n;
/** camelCase → snake_case; v1's memory.stat writes pgpgin as one word. */
const snake = (name: string) =>
  name
    .replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    .replace("pg_pg_", "pgpg")
    .replace(/pg_(maj)?_?fault/, "pg$1fault");

function stats1({ v1 }: Cgroup) {
  const memory = (file: string) => read(v1["memory"], file);
  const entry = (prefix: string) => ({
    limit: number(memory(`${prefix}limit_in_bytes`)),
    usage: number(memory(`${prefix}usage_in_bytes`)),
    max: number(memory(`${prefix}max_usage_in_bytes`)),
    failcnt: number(memory(`${prefix}failcnt`)),
  });
  const memoryStat = pairs(memory("memory.stat"));
  const acct = pairs(read(v1["cpuacct"], "cpuacct.stat"));
  const throttling = pairs(read(v1["cpu"], "cpu.stat"));
  const oom = pairs(memory("memory.oom_control"));
  // USER_HZ is 100 on every architecture that this runs on.
  const ticks = (value: bigint | undefined) => (value ?? 0n) * 10_000_000n;
  return encode(Metrics1, {
    pids: {
      current: number(read(v1["pids"], "pids.current")),
      limit: number(read(v1["pids"], "pids.max")),
    },
    cpu: {
      usage: {
        total: number(read(v1["cpuacct"], "cpuacct.usage")),
        user: ticks(acct["user"]),
        kernel: ticks(acct["system"]),
        perCpu: read(v1["cpuacct"], "cpuacct.usage_percpu")
          .split(" ")
          .filter((word) => /^\d+$/.test(word))
          .map(BigInt),
      },
      throttling: {
        periods: throttling["nr_periods"],
        throttledPeriods: throttling["nr_throttled"],
        throttledTime: throttling["throttled_time"],
      },
    },
    memory: {
      ...Object.fromEntries(MEMORY1_FIELDS.map((name) => [name, memoryStat[snake(name)]])),
      usage: entry("memory."),
      swap: entry("memory.memsw."),
      kernel: entry("memory.kmem."),
      kernelTcp: entry("memory.kmem.tcp."),
    },
    blkio: {
      ioServiceBytesRecursive: blk1(read(v1["blkio"], "blkio.throttle.io_service_bytes_recursive")),
      ioServicedRecursive: blk1(read(v1["blkio"], "blkio.throttle.io_serviced_recursive")),
    },
    memoryOomControl: {
      oomKillDisable: oom["oom_kill_disable"],
      underOom: oom["under_oom"],
      oomKill: oom["oom_kill"],
    },
  });
}

/** Lines like "254:0 Read 4096". */
function blk1(text: string): Init<typeof BlkEntry1>[] {
  return [...text.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(([, major, minor, op, value]) => ({
    op,
    device: "",
    major: BigInt(major!),
    minor: BigInt(minor!),
    value: BigInt(value!),
  }));
}

function stats2(directory: string) {
  const file = (name: string) => read(directory, name);
  const cpu = pairs(file("cpu.stat"));
  const memoryStat = pairs(file("memory.stat"));
  const events = pairs(file("memory.events"));
  return encode(Metrics2, {
    pids: { current: number(file("pids.current")), limit: number(file("pids.max")) },
    cpu: {
      usageUsec: cpu["usage_usec"],
      userUsec: cpu["user_usec"],
      systemUsec: cpu["system_usec"],
      nrPeriods: cpu["nr_periods"],
      nrThrottled: cpu["nr_throttled"],
      throttledUsec: cpu["throttled_usec"],
    },
    memory: {
      ...Object.fromEntries(
        Object.keys(MEMORY2_FIELDS).map((name) => [
          name,
          memoryStat[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)],
        ]),
      ),
      usage: number(file("memory.current")),
      usageLimit: number(file("memory.max"), UNLIMITED),
      swapUsage: number(file("memory.swap.current")),
      swapLimit: number(file("memory.swap.max"), UNLIMITED),
      maxUsage: number(file("memory.peak")),
      swapMaxUsage: number(file("memory.swap.peak")),
    },
    io: { usage: io2(file("io.stat")) },
    memoryEvents: {
      low: events["low"],
      high: events["high"],
      max: events["max"],
      oom: events["oom"],
      oomKill: events["oom_kill"],
      oomGroupKill: events["oom_group_kill"],
    },
  });
}

/** Lines like "254:0 rbytes=0 wbytes=4096 rios=0 wios=1 dbytes=0 dios=0". */
function io2(text: string): Init<typeof IoEntry2>[] {
  return [...text.matchAll(/^(\d+):(\d+) (.*)$/gm)].map(([, major, minor, rest]) => {
    const value = (key: string) => BigInt(new RegExp(`\\b${key}=(\\d+)`).exec(rest!)?.[1] ?? 0);
    return {
      major: BigInt(major!),
      minor: BigInt(minor!),
      rbytes: value("rbytes"),
      wbytes: value("wbytes"),
      rios: value("rios"),
      wios: value("wios"),
    };
  });
}

/** The figures now, typed by cgroup version. On a hybrid host the v1 controllers are the ones in use. */
export function statsOf(cgroup: Cgroup): { typeUrl: string; value: Uint8Array } {
  if (cgroup.v1["memory"] || cgroup.v1["cpuacct"] || cgroup.v1["pids"])
    return { typeUrl: Metrics1.name, value: stats1(cgroup) };
  return { typeUrl: Metrics2.name, value: stats2(cgroup.v2 ?? "") };
}
