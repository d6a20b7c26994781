// Cgroup figures as task statistics carry them. src/wire/proto/metrics.
import { message } from "../codec.ts";

const v1 = "io.containerd.cgroups.v1.";
const v2 = "io.containerd.cgroups.v2.";

const Usage1 = message(`${v1}CPUUsage`, {
  total: [1, "uint64"],
  kernel: [2, "uint64"],
  user: [3, "uint64"],
  perCpu: [4, ["uint64"]],
});
const Throttle1 = message(`${v1}Throttle`, {
  periods: [1, "uint64"],
  throttledPeriods: [2, "uint64"],
  throttledTime: [3, "uint64"],
});
const Cpu1 = message(`${v1}CPUStat`, { usage: [1, Usage1], throttling: [2, Throttle1] });
const Pids1 = message(`${v1}PidsStat`, { current: [1, "uint64"], limit: [2, "uint64"] });
const MemoryEntry1 = message(`${v1}MemoryEntry`, {
  limit: [1, "uint64"],
  usage: [2, "uint64"],
  max: [3, "uint64"],
  failcnt: [4, "uint64"],
});
/** In the order of the field numbers 1 to 32; memory.stat's own names without underscores' loss. */
export const MEMORY1_FIELDS = [
  "cache",
  "rss",
  "rssHuge",
  "mappedFile",
  "dirty",
  "writeback",
  "pgPgIn",
  "pgPgOut",
  "pgFault",
  "pgMajFault",
  "inactiveAnon",
  "activeAnon",
  "inactiveFile",
  "activeFile",
  "unevictable",
  "hierarchicalMemoryLimit",
  "hierarchicalSwapLimit",
  "totalCache",
  "totalRss",
  "totalRssHuge",
  "totalMappedFile",
  "totalDirty",
  "totalWriteback",
  "totalPgPgIn",
  "totalPgPgOut",
  "totalPgFault",
  "totalPgMajFault",
  "totalInactiveAnon",
  "totalActiveAnon",
  "totalInactiveFile",
  "totalActiveFile",
  "totalUnevictable",
] as const;
type Memory1Name = (typeof MEMORY1_FIELDS)[number];
const numbered = Object.fromEntries(
  MEMORY1_FIELDS.map((name, i) => [name, [i + 1, "uint64"]]),
) as unknown as {
  readonly [N in Memory1Name]: readonly [number, "uint64"];
};
const Memory1 = message(`${v1}MemoryStat`, {
  ...numbered,
  usage: [33, MemoryEntry1],
  swap: [34, MemoryEntry1],
  kernel: [35, MemoryEntry1],
  kernelTcp: [36, MemoryEntry1],
});
const OomControl1 = message(`${v1}MemoryOomControl`, {
  oomKillDisable: [1, "uint64"],
  underOom: [2, "uint64"],
  oomKill: [3, "uint64"],
});
const Hugetlb1 = message(`${v1}HugetlbStat`, {
  usage: [1, "uint64"],
  max: [2, "uint64"],
  failcnt: [3, "uint64"],
  pagesize: [4, "string"],
});
export const BlkEntry1 = message(`${v1}BlkIOEntry`, {
  op: [1, "string"],
  device: [2, "string"],
  major: [3, "uint64"],
  minor: [4, "uint64"],
  value: [5, "uint64"],
});
const Blk1 = message(`${v1}BlkIOStat`, {
  ioServiceBytesRecursive: [1, [BlkEntry1]],
  ioServicedRecursive: [2, [BlkEntry1]],
  ioQueuedRecursive: [3, [BlkEntry1]],
  ioServiceTimeRecursive: [4, [BlkEntry1]],
  ioWaitTimeRecursive: [5, [BlkEntry1]],
  ioMergedRecursive: [6, [BlkEntry1]],
  ioTimeRecursive: [7, [BlkEntry1]],
  sectorsRecursive: [8, [BlkEntry1]],
});
const Rdma1Entry = message(`${v1}RdmaEntry`, {
  device: [1, "string"],
  hcaHandles: [2, "uint32"],
  hcaObjects: [3, "uint32"],
});
const Rdma1 = message(`${v1}RdmaStat`, { current: [1, [Rdma1Entry]], limit: [2, [Rdma1Entry]] });
const network = {
  name: [1, "string"],
  rxBytes: [2, "uint64"],
  rxPackets: [3, "uint64"],
  rxErrors: [4, "uint64"],
  rxDropped: [5, "uint64"],
  txBytes: [6, "uint64"],
  txPackets: [7, "uint64"],
  txErrors: [8, "uint64"],
  txDropped: [9, "uint64"],
} as const;
const CgroupStats1 = message(`${v1}CgroupStats`, {
  nrSleeping: [1, "uint64"],
  nrRunning: [2, "uint64"],
  nrStopped: [3, "uint64"],
  nrUninterruptible: [4, "uint64"],
  nrIoWait: [5, "uint64"],
});
export const Metrics1 = message(`${v1}Metrics`, {
  hugetlb: [1, [Hugetlb1]],
  pids: [2, Pids1],
  cpu: [3, Cpu1],
  memory: [4, Memory1],
  blkio: [5, Blk1],
  rdma: [6, Rdma1],
  network: [7, [message(`${v1}NetworkStat`, network)]],
  cgroupStats: [8, CgroupStats1],
  memoryOomControl: [9, OomControl1],
});

const PsiData = message(`${v2}PSIData`, {
  avg10: [1, "double"],
  avg60: [2, "double"],
  avg300: [3, "double"],
  total: [4, "uint64"],
});
const Psi = message(`${v2}PSIStats`, { some: [1, PsiData], full: [2, PsiData] });
const Cpu2 = message(`${v2}CPUStat`, {
  usageUsec: [1, "uint64"],
  userUsec: [2, "uint64"],
  systemUsec: [3, "uint64"],
  nrPeriods: [4, "uint64"],
  nrThrottled: [5, "uint64"],
  throttledUsec: [6, "uint64"],
  psi: [7, Psi],
  nrBursts: [8, "uint64"],
  burstUsec: [9, "uint64"],
});
/** memory.stat's names → field numbers of MemoryStat. */
export const MEMORY2_FIELDS = {
  anon: 1,
  file: 2,
  kernelStack: 3,
  slab: 4,
  sock: 5,
  shmem: 6,
  fileMapped: 7,
  fileDirty: 8,
  fileWriteback: 9,
  anonThp: 10,
  inactiveAnon: 11,
  activeAnon: 12,
  inactiveFile: 13,
  activeFile: 14,
  unevictable: 15,
  slabReclaimable: 16,
  slabUnreclaimable: 17,
  pgfault: 18,
  pgmajfault: 19,
  workingsetRefault: 20,
  workingsetActivate: 21,
  workingsetNodereclaim: 22,
  pgrefill: 23,
  pgscan: 24,
  pgsteal: 25,
  pgactivate: 26,
  pgdeactivate: 27,
  pglazyfree: 28,
  pglazyfreed: 29,
  thpFaultAlloc: 30,
  thpCollapseAlloc: 31,
  workingsetRefaultAnon: 39,
  workingsetRefaultFile: 40,
  workingsetActivateAnon: 41,
  workingsetActivateFile: 42,
} as const;
type Memory2Name = keyof typeof MEMORY2_FIELDS;
const numbered2 = Object.fromEntries(
  Object.entries(MEMORY2_FIELDS).map(([name, number]) => [name, [number, "uint64"]]),
) as unknown as { readonly [N in Memory2Name]: readonly [number, "uint64"] };
const Memory2 = message(`${v2}MemoryStat`, {
  ...numbered2,
  usage: [32, "uint64"],
  usageLimit: [33, "uint64"],
  swapUsage: [34, "uint64"],
  swapLimit: [35, "uint64"],
  maxUsage: [36, "uint64"],
  swapMaxUsage: [37, "uint64"],
  psi: [38, Psi],
});
const Events2 = message(`${v2}MemoryEvents`, {
  low: [1, "uint64"],
  high: [2, "uint64"],
  max: [3, "uint64"],
  oom: [4, "uint64"],
  oomKill: [5, "uint64"],
  oomGroupKill: [6, "uint64"],
});
export const IoEntry2 = message(`${v2}IOEntry`, {
  major: [1, "uint64"],
  minor: [2, "uint64"],
  rbytes: [3, "uint64"],
  wbytes: [4, "uint64"],
  rios: [5, "uint64"],
  wios: [6, "uint64"],
});
const Io2 = message(`${v2}IOStat`, { usage: [1, [IoEntry2]], psi: [2, Psi] });
const Rdma2Entry = message(`${v2}RdmaEntry`, {
  device: [1, "string"],
  hcaHandles: [2, "uint32"],
  hcaObjects: [3, "uint32"],
});
const Rdma2 = message(`${v2}RdmaStat`, { current: [1, [Rdma2Entry]], limit: [2, [Rdma2Entry]] });
const Hugetlb2 = message(`${v2}HugeTlbStat`, {
  current: [1, "uint64"],
  max: [2, "uint64"],
  pagesize: [3, "string"],
  failcnt: [4, "uint64"],
});
export const Metrics2 = message(`${v2}Metrics`, {
  pids: [1, message(`${v2}PidsStat`, { current: [1, "uint64"], limit: [2, "uint64"] })],
  cpu: [2, Cpu2],
  memory: [4, Memory2],
  rdma: [5, Rdma2],
  io: [6, Io2],
  hugetlb: [7, [Hugetlb2]],
  memoryEvents: [8, Events2],
  network: [9, [message(`${v2}NetworkStat`, network)]],
});
