// --pid-file: what conmon and containerd read a process's pid from.
import { nameOf, parentOf, rename, writeText } from "../../../../ffi/path.ts";

/** The number alone, put in place whole. */
export function writePidFile(path: string, pid: number): void {
  const aside = `${parentOf(path)}/.${nameOf(path)}`;
  writeText(aside, String(pid));
  rename(aside, path);
}
