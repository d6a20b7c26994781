// Kernel settings of the network namespace that this thread is in.
import { readFileSync, writeFileSync } from "node:fs";
import { isErrno } from "../../../../ffi/errno.ts";
import { log } from "../../../observe/log.ts";

/**
 * Sets net.ipv4.… unless it has the value already. Returns whether it has it now; a refusal (read-only /proc/sys, no
 * permission) is logged with its reason and what follows from it. `optional`: a kernel without the setting is fine.
 */
export function setSysctl(
  name: string,
  value: string,
  consequence: string,
  options: { optional?: boolean } = {},
): boolean {
  // Interface names may contain dots, so names come with slashes.
  const path = `/proc/sys/${name}`;
  try {
    if (readFileSync(path, "utf8").trim() === value) return true;
    writeFileSync(path, value);
    return true;
  } catch (error) {
    if (!(options.optional && isErrno(error, "ENOENT"))) {
      log("warning", `cannot set ${name}=${value}: ${consequence}`, { error });
    }
    return false;
  }
}
