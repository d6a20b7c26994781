// One sample of a container's consumption, as the engine sends it, and the figures people want of it.
import { bytesSize, humanSize } from "../format/units.ts";
import { shortId } from "../format/words.ts";
import type { Row } from "../template/table.ts";

interface CpuStats {
  cpu_usage?: { total_usage?: number; percpu_usage?: number[] | null };
  system_cpu_usage?: number;
  online_cpus?: number;
}

export interface StatsSample {
  id?: string;
  name?: string;
  cpu_stats?: CpuStats;
  precpu_stats?: CpuStats;
  memory_stats?: { usage?: number; limit?: number; stats?: Record<string, number> };
  networks?: Record<string, { rx_bytes: number; tx_bytes: number }>;
  blkio_stats?: { io_service_bytes_recursive?: { op: string; value: number }[] | null };
  pids_stats?: { current?: number };
}

export const statsHeaders = {
  BlockIO: "BLOCK I/O",
  CPUPerc: "CPU %",
  Container: "CONTAINER",
  ID: "CONTAINER ID",
  MemPerc: "MEM %",
  MemUsage: "MEM USAGE / LIMIT",
  Name: "NAME",
  NetIO: "NET I/O",
  PIDs: "PIDS",
} as const;

const NONE = "--";

const percent = (value: number): string => `${value.toFixed(2)}%`;

function cpuPercent({ cpu_stats: now, precpu_stats: before }: StatsSample): number {
  const used = (now?.cpu_usage?.total_usage ?? 0) - (before?.cpu_usage?.total_usage ?? 0);
  const passed = (now?.system_cpu_usage ?? 0) - (before?.system_cpu_usage ?? 0);
  const cpus = now?.online_cpus || (now?.cpu_usage?.percpu_usage?.length ?? 0);
  return used > 0 && passed > 0 ? (used / passed) * cpus * 100 : 0;
}

// The page cache that could be dropped is not counted: total_inactive_file on cgroup v1, inactive_file on v2.
function memoryUsed({ memory_stats: memory }: StatsSample): number {
  const usage = memory?.usage ?? 0;
  const { total_inactive_file: v1, inactive_file: v2 = 0 } = memory?.stats ?? {};
  if (v1 !== undefined && v1 < usage) return usage - v1;
  return v2 < usage ? usage - v2 : usage;
}

function blockBytes({ blkio_stats: block }: StatsSample, letter: "r" | "w"): number {
  return (block?.io_service_bytes_recursive ?? [])
    .filter(({ op }) => op[0]?.toLowerCase() === letter)
    .reduce((sum, { value }) => sum + value, 0);
}

/** The row of a container; without a sample everything is unknown. */
export function statsRow(container: string, sample: StatsSample | undefined, truncate: boolean): Row {
  const id = sample?.id ?? "";
  const named = {
    Container: container,
    ID: truncate ? shortId(id) : id,
    Name: sample?.name?.replace(/^\//, "") || NONE,
  };
  if (!sample?.cpu_stats) {
    return {
      BlockIO: NONE,
      CPUPerc: NONE,
      MemPerc: NONE,
      MemUsage: "-- / --",
      NetIO: NONE,
      PIDs: NONE,
      ...named,
    };
  }
  const used = memoryUsed(sample);
  const limit = sample.memory_stats?.limit ?? 0;
  const networks = Object.values(sample.networks ?? {});
  const traffic = (key: "rx_bytes" | "tx_bytes") =>
    humanSize(
      networks.reduce((sum, network) => sum + network[key], 0),
      3,
    );
  return {
    BlockIO: `${humanSize(blockBytes(sample, "r"), 3)} / ${humanSize(blockBytes(sample, "w"), 3)}`,
    CPUPerc: percent(cpuPercent(sample)),
    MemPerc: percent(limit === 0 ? 0 : (used / limit) * 100),
    MemUsage: `${bytesSize(used)} / ${bytesSize(limit)}`,
    NetIO: `${traffic("rx_bytes")} / ${traffic("tx_bytes")}`,
    PIDs: String(sample.pids_stats?.current ?? 0),
    ...named,
  };
}
