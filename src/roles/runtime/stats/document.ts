// The "stats" event of `events`, in the shape of runc's types/events.go: numbers that are 0 and marked omitempty there are
// left out here as well, since programs compare documents.

export interface MemoryEntry {
  limit: number;
  usage?: number;
  max?: number;
  failcnt: number;
}

export interface BlkioEntry {
  major?: number;
  minor?: number;
  op?: string;
  value?: number;
}

export interface Pressure {
  avg10: number;
  avg60: number;
  avg300: number;
  total: number;
}

export interface PressureStats {
  some?: Pressure;
  full?: Pressure;
}

export interface Stats {
  cpu: {
    usage: {
      /** Nanoseconds, as all of `usage`. */
      total?: number;
      percpu?: number[];
      percpu_kernel?: number[];
      percpu_user?: number[];
      kernel: number;
      user: number;
    };
    throttling: { periods?: number; throttledPeriods?: number; throttledTime?: number };
    psi?: PressureStats;
  };
  cpuset: {
    cpus?: number[];
    cpu_exclusive: number;
    mems?: number[];
    mem_hardwall: number;
    mem_exclusive: number;
    memory_migrate: number;
    memory_spread_page: number;
    memory_spread_slab: number;
    memory_pressure: number;
    sched_load_balance: number;
    sched_relax_domain_level: number;
  };
  memory: {
    cache?: number;
    usage: MemoryEntry;
    swap: MemoryEntry;
    kernel: MemoryEntry;
    kernelTCP: MemoryEntry;
    raw?: Record<string, number>;
    psi?: PressureStats;
    event_count?: Record<string, number>;
  };
  pids: { current?: number; limit?: number };
  blkio: Partial<Record<BlkioList, BlkioEntry[]>> & { psi?: PressureStats };
  hugetlb: Record<string, { usage?: number; max?: number; failcnt: number }>;
  intel_rdt: Record<string, never>;
  network_interfaces: null;
}

export type BlkioList =
  | "ioServiceBytesRecursive"
  | "ioServicedRecursive"
  | "ioQueueRecursive"
  | "ioServiceTimeRecursive"
  | "ioWaitTimeRecursive"
  | "ioMergedRecursive"
  | "ioTimeRecursive"
  | "sectorsRecursive";

/** A document with nothing in it. */
export function emptyStats(): Stats {
  const entry = () => ({ limit: 0, failcnt: 0 });
  return {
    cpu: { usage: { kernel: 0, user: 0 }, throttling: {} },
    cpuset: {
      cpu_exclusive: 0,
      mem_hardwall: 0,
      mem_exclusive: 0,
      memory_migrate: 0,
      memory_spread_page: 0,
      memory_spread_slab: 0,
      memory_pressure: 0,
      sched_load_balance: 0,
      sched_relax_domain_level: 0,
    },
    memory: { usage: entry(), swap: entry(), kernel: entry(), kernelTCP: entry() },
    pids: {},
    blkio: {},
    hugetlb: {},
    intel_rdt: {},
    network_interfaces: null,
  };
}

/** 0 and empty lists as Go's omitempty takes them: not there. */
export const orAbsent = (value: number | undefined) => (value ? value : undefined);
