// A process that not even SIGKILL ends, said in words.
import { readFileSync } from "node:fs";

/** "process 7 is in uninterruptible sleep in nfs_wait_bit" for a process in state D, "" for any other. man 5 proc */
export function uninterruptible(pid: number): string {
  if (pid <= 0) return "";
  try {
    const state = /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    if (state !== "D") return "";
    const where = readFileSync(`/proc/${pid}/wchan`, "latin1");
    return `process ${pid} is in uninterruptible sleep (state D)${where && where !== "0" ? ` in ${where}` : ""}; see /proc/${pid}/stack`;
  } catch {
    return "";
  }
}
