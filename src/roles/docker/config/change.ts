// Writing to config.json, apart from reading it: every command reads it, and few are to pay for what writes.
import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "../../../store/atomic.ts";
import { type ConfigFile, readConfig } from "./file.ts";

/**
 * Changes config.json: `change` gets its present content, whatever is in it. What we do not know stays. A symlink is followed.
 */
export function changeConfig(directory: string, change: (config: ConfigFile) => void): void {
  const config = readConfig(directory);
  change(config);
  let path = join(directory, "config.json");
  try {
    path = realpathSync(path);
  } catch {
    // Not there yet.
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeAtomic(path, JSON.stringify(config, undefined, "\t"), { mode: 0o600 });
}
