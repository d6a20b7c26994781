// GET /containers/{id}/stats

/** Kernel counters are 64 bits wide: bigints are written as bare numbers. */
export type Counter = number | bigint;

export interface BlkioEntry {
  major: Counter;
  minor: Counter;
  op: string;
  value: Counter;
}

export interface BlkioStats {
  io_service_bytes_recursive: BlkioEntry[] | null;
  io_serviced_recursive: BlkioEntry[] | null;
  io_queue_recursive: BlkioEntry[] | null;
  io_service_time_recursive: BlkioEntry[] | null;
  io_wait_time_recursive: BlkioEntry[] | null;
  io_merged_recursive: BlkioEntry[] | null;
  io_time_recursive: BlkioEntry[] | null;
  sectors_recursive: BlkioEntry[] | null;
}

export interface CpuStats {
  cpu_usage: {
    total_usage: Counter;
    percpu_usage?: Counter[];
    usage_in_kernelmode: Counter;
    usage_in_usermode: Counter;
  };
  system_cpu_usage?: Counter;
  online_cpus?: number;
  throttling_data: { periods: Counter; throttled_periods: Counter; throttled_time: Counter };
}

export interface MemoryStats {
  usage?: Counter;
  max_usage?: Counter;
  stats?: Record<string, Counter>;
  failcnt?: Counter;
  limit?: Counter;
}

export interface NetworkStats {
  rx_bytes: number;
  rx_packets: number;
  rx_errors: number;
  rx_dropped: number;
  tx_bytes: number;
  tx_packets: number;
  tx_errors: number;
  tx_dropped: number;
}

export interface ContainerStats {
  name: string;
  id: string;
  read: string;
  preread: string;
  pids_stats: { current?: Counter; limit?: Counter };
  blkio_stats: BlkioStats;
  num_procs: number;
  storage_stats: Record<string, never>;
  cpu_stats: CpuStats;
  precpu_stats: CpuStats;
  memory_stats: MemoryStats;
  networks?: Record<string, NetworkStats>;
}
