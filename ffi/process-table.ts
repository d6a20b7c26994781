// What /proc says about a process.
import { readText } from "./path.ts";

export interface ProcessStat {
  /** R, S, D, Z … */
  state: string;
  /** Clock ticks after boot. */
  startTime: number;
}

/** Reads a field of /proc/pid/stat by its number in man 5 proc_pid_stat, from 3 on. Throws when there is no such process. */
export function statFields(pid: number | "self"): (number: number) => string {
  const text = readText(`/proc/${pid}/stat`);
  // The name in field 2 may hold spaces and brackets: count from its last bracket.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (number) => fields[number - 3] ?? "";
}

/** undefined when there is no such process. man 5 proc, /proc/pid/stat */
export function processStat(pid: number): ProcessStat | undefined {
  let field: ReturnType<typeof statFields>;
  try {
    field = statFields(pid);
  } catch {
    return undefined;
  }
  return { state: field(3), startTime: Number(field(22)) };
}

/** Whether the process that had this pid and start time is still there and no zombie. */
export function isAlive(pid: number, startTime: number): boolean {
  if (pid <= 0) return false;
  const stat = processStat(pid);
  return stat !== undefined && stat.startTime === startTime && stat.state !== "Z" && stat.state !== "X";
}
