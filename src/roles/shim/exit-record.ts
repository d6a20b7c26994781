// The container's exit status on disk, written before anybody is told: whoever comes after a crash of the shim finds it.
import { readText } from "../../../ffi/path.ts";
import { writeAtomic } from "../../store/atomic.ts";
import type { Exit } from "./exits.ts";

const NAME = "exit.json";

export interface ExitRecord extends Exit {
  pid: number;
}

export function writeExitRecord(bundle: string, record: ExitRecord): void {
  writeAtomic(`${bundle}/${NAME}`, `${JSON.stringify(record)}\n`);
}

/** The recorded exit; undefined when the container has not been seen to end. */
export function readExitRecord(bundle: string): ExitRecord | undefined {
  try {
    const { pid, exitStatus, exitedAt } = JSON.parse(readText(`${bundle}/${NAME}`)) as ExitRecord;
    return [pid, exitStatus, exitedAt].every(Number.isFinite) ? { pid, exitStatus, exitedAt } : undefined;
  } catch {
    return undefined;
  }
}
