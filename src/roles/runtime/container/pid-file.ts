// --pid-file: what conmon and containerd read a process's pid from.
import { renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The number alone, put in place whole. */
export function writePidFile(path: string, pid: number): void {
  const aside = join(dirname(path), `.${basename(path)}`);
  writeFileSync(aside, String(pid), { mode: 0o666 });
  renameSync(aside, path);
}
