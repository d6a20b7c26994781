// What /proc says about a process.
import { readText } from "./path.ts";

export interface ProcessStat {
  /** R, S, D, Z … */
  state: string;
  /** Clock ticks after boot. */
  startTime: number;
}

/** undefined when there is no such process. man 5 proc, /proc/pid/stat */
export function processStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readText(`/proc/${pid}/stat`);
  } catch {
    return undefined;
  }
  // The name in field 2 may hold spaces and brackets: count from its last bracket.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", startTime: Number(fields[19]) };
}

/** Whether the process that had this pid and start time is still there and no zombie. */
export function isAlive(pid: number, startTime: number): boolean {
  if (pid <= 0) return false;
  const stat = processStat(pid);
  return stat !== undefined && stat.startTime === startTime && stat.state !== "Z" && stat.state !== "X";
}
