// Signals by name or number, as people type them.
import { constants } from "node:os";
import { UsageError } from "./command.ts";

/** "9", "KILL", "SIGKILL", "sigkill", "RTMIN+3" → number. Throws with containerd's words. */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number > 0 && number <= 64) return number;
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const known = (constants.signals as Record<string, number | undefined>)[`SIG${name}`];
  if (known !== undefined) return known;
  const realtime = /^RT(MIN|MAX)([+-]\d+)?$/.exec(name);
  if (realtime) {
    // glibc keeps 32 and 33 for itself. man 7 signal.
    const number = (realtime[1] === "MIN" ? 34 : 64) + Number(realtime[2] ?? 0);
    if (number >= 34 && number <= 64) return number;
  }
  throw new UsageError(`invalid signal: ${text}`);
}
