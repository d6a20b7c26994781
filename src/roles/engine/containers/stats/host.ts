// Figures of the host and of a process's network that a container's statistics are held against.
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import type { NetworkStats } from "../../../../spec/engine/stats.ts";

/** USER_HZ is 100 on every architecture that this runs on. */
const TICK_NANOSECONDS = 10_000_000n;

/** Processor time of the whole host in nanoseconds, idle time included, and the number of processors. man 5 proc_stat */
export function systemCpu(text = readFileSync("/proc/stat", "utf8")): { total: bigint; online: number } {
  const [first = ""] = text.split("\n", 1);
  // user nice system idle iowait irq softirq steal; guest time is part of user's.
  const ticks = first
    .split(/\s+/)
    .slice(1, 9)
    .reduce((sum, word) => sum + BigInt(word || 0), 0n);
  return { total: ticks * TICK_NANOSECONDS, online: text.match(/^cpu\d+ /gm)?.length ?? 0 };
}

export const machineMemory: number = totalmem();

/** A network namespace's interfaces but the loopback, from `/proc/<pid>/net/dev`. Empty when the process is gone. */
export function networkStats(pid: number): Record<string, NetworkStats> {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/net/dev`, "utf8");
  } catch {
    return {};
  }
  const found: Record<string, NetworkStats> = {};
  for (const [, name, figures] of text.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)) {
    if (name === "lo") continue;
    const f = figures!.split(/\s+/).map(Number);
    found[name!] = {
      rx_bytes: f[0]!,
      rx_packets: f[1]!,
      rx_errors: f[2]!,
      rx_dropped: f[3]!,
      tx_bytes: f[8]!,
      tx_packets: f[9]!,
      tx_errors: f[10]!,
      tx_dropped: f[11]!,
    };
  }
  return found;
}
