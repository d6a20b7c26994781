// containerd's task metrics → docker's statistics, for both versions of cgroups. moby: daemon/stats_unix.go
import { fromBinary } from "@bufbuild/protobuf";
import type {
  BlkioEntry,
  BlkioStats,
  ContainerStats,
  CpuStats,
  MemoryStats,
} from "../../../../spec/engine/stats.ts";
import type { AnyValue } from "../../../../wire/containerd/services.ts";
import {
  type Metrics as Metrics1,
  MetricsSchema as Metrics1Schema,
} from "../../../../wire/gen/metrics/cgroup1_pb.ts";
import {
  type Metrics as Metrics2,
  MetricsSchema as Metrics2Schema,
} from "../../../../wire/gen/metrics/cgroup2_pb.ts";
import { machineMemory, systemCpu } from "./host.ts";

const UNLIMITED = (1n << 64n) - 1n;

export const noBlkio = (): BlkioStats => ({
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
});

export const noCpu = (): CpuStats => ({
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
});

type Figures = Pick<ContainerStats, "pids_stats" | "blkio_stats" | "cpu_stats" | "memory_stats">;

/** A limit above the machine's memory is none: docker shows the machine's memory then. */
const memoryLimit = (limit: bigint): bigint | number =>
  limit === 0n || limit > BigInt(machineMemory) ? machineMemory : limit;

// Go's omitempty: zero is left out.
const unlessZero = <K extends string>(key: K, value: bigint): { [N in K]?: bigint } =>
  (value === 0n ? {} : { [key]: value }) as { [N in K]?: bigint };

function onHost(usage: CpuStats["cpu_usage"], throttling: CpuStats["throttling_data"]): CpuStats {
  const { total, online } = systemCpu();
  return { cpu_usage: usage, system_cpu_usage: total, online_cpus: online, throttling_data: throttling };
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Names of v1's memory.stat that camel case made two words of. */
const V1_NAMES: Readonly<Record<string, string>> = {
  PgPgIn: "pgpgin",
  PgPgOut: "pgpgout",
  PgFault: "pgfault",
  PgMajFault: "pgmajfault",
};

function memoryName1(field: string): string {
  const total = field.startsWith("total") ? field.slice("total".length) : undefined;
  const bare = total ?? `${field[0]!.toUpperCase()}${field.slice(1)}`;
  const name = V1_NAMES[bare] ?? snake(bare).replace(/^_/, "");
  return total === undefined
    ? name === "hierarchical_swap_limit"
      ? "hierarchical_memsw_limit"
      : name
    : `total_${name}`;
}

function memory1({ memory }: Metrics1): MemoryStats {
  if (!memory?.usage) return {};
  const stats: Record<string, bigint> = {};
  for (const [field, value] of Object.entries(memory)) {
    if (typeof value === "bigint") stats[memoryName1(field)] = value;
  }
  const { usage } = memory;
  return {
    ...unlessZero("usage", usage.usage),
    ...unlessZero("max_usage", usage.max),
    stats,
    ...unlessZero("failcnt", usage.failcnt),
    limit: memoryLimit(usage.limit),
  };
}

type Blk1 = NonNullable<Metrics1["blkio"]>["ioServicedRecursive"];

function blkio1({ blkio }: Metrics1): BlkioStats {
  if (!blkio) return noBlkio();
  const list = (entries: Blk1): BlkioEntry[] =>
    entries.map(({ major, minor, op, value }) => ({ major, minor, op: op.toLowerCase(), value }));
  return {
    io_service_bytes_recursive: list(blkio.ioServiceBytesRecursive),
    io_serviced_recursive: list(blkio.ioServicedRecursive),
    io_queue_recursive: list(blkio.ioQueuedRecursive),
    io_service_time_recursive: list(blkio.ioServiceTimeRecursive),
    io_wait_time_recursive: list(blkio.ioWaitTimeRecursive),
    io_merged_recursive: list(blkio.ioMergedRecursive),
    io_time_recursive: list(blkio.ioTimeRecursive),
    sectors_recursive: list(blkio.sectorsRecursive),
  };
}

function figures1(metrics: Metrics1): Figures {
  const usage = metrics.cpu?.usage;
  const throttling = metrics.cpu?.throttling;
  return {
    pids_stats: {
      ...unlessZero("current", metrics.pids?.current ?? 0n),
      ...unlessZero("limit", metrics.pids?.limit ?? 0n),
    },
    blkio_stats: blkio1(metrics),
    cpu_stats: onHost(
      {
        total_usage: usage?.total ?? 0n,
        ...(usage && usage.perCpu.length > 0 ? { percpu_usage: usage.perCpu } : {}),
        usage_in_kernelmode: usage?.kernel ?? 0n,
        usage_in_usermode: usage?.user ?? 0n,
      },
      {
        periods: throttling?.periods ?? 0n,
        throttled_periods: throttling?.throttledPeriods ?? 0n,
        throttled_time: throttling?.throttledTime ?? 0n,
      },
    ),
    memory_stats: memory1(metrics),
  };
}

/** Fields of the v2 message that are no entries of memory.stat. */
const NOT_STATS: ReadonlySet<string> = new Set([
  "usage",
  "usageLimit",
  "swapUsage",
  "swapLimit",
  "maxUsage",
  "swapMaxUsage",
]);

function memory2({ memory, memoryEvents }: Metrics2): MemoryStats {
  if (!memory) return {};
  const stats: Record<string, bigint> = {};
  for (const [field, value] of Object.entries(memory)) {
    if (typeof value === "bigint" && !NOT_STATS.has(field)) stats[snake(field)] = value;
  }
  return {
    ...unlessZero("usage", memory.usage),
    stats,
    ...unlessZero("failcnt", memoryEvents?.oom ?? 0n),
    limit: memoryLimit(memory.usageLimit),
  };
}

function figures2(metrics: Metrics2): Figures {
  const { cpu } = metrics;
  const io = metrics.io?.usage ?? [];
  return {
    pids_stats: {
      ...unlessZero("current", metrics.pids?.current ?? 0n),
      // As dockerd: v2's "max" is the largest number, not absent.
      limit: metrics.pids?.limit || UNLIMITED,
    },
    blkio_stats: {
      ...noBlkio(),
      ...(io.length > 0
        ? {
            io_service_bytes_recursive: io.flatMap(({ major, minor, rbytes, wbytes }) => [
              { major, minor, op: "read", value: rbytes },
              { major, minor, op: "write", value: wbytes },
            ]),
          }
        : {}),
    },
    cpu_stats: onHost(
      {
        total_usage: (cpu?.usageUsec ?? 0n) * 1000n,
        usage_in_kernelmode: (cpu?.systemUsec ?? 0n) * 1000n,
        usage_in_usermode: (cpu?.userUsec ?? 0n) * 1000n,
      },
      {
        periods: cpu?.nrPeriods ?? 0n,
        throttled_periods: cpu?.nrThrottled ?? 0n,
        throttled_time: (cpu?.throttledUsec ?? 0n) * 1000n,
      },
    ),
    memory_stats: memory2(metrics),
  };
}

/** Throws an Error for a message that is neither version's. */
export function figuresOf({ typeUrl, value }: AnyValue): Figures {
  if (typeUrl.endsWith("io.containerd.cgroups.v1.Metrics"))
    return figures1(fromBinary(Metrics1Schema, value));
  if (typeUrl.endsWith("io.containerd.cgroups.v2.Metrics"))
    return figures2(fromBinary(Metrics2Schema, value));
  throw new Error(`task metrics of unknown type ${typeUrl}`);
}
