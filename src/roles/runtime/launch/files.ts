import { AT_FDCWD, type Context } from "./context.ts";
import { OPEN_WRITE } from "./open-flags.ts";

/** Writes a value to a file of the host in one write. */
export function writeFile({ plan }: Context, path: string, value: string, why: string): void {
  const fd = plan.slot("file");
  plan.call("openat", [AT_FDCWD, plan.string(path), OPEN_WRITE], { into: fd, why });
  plan.call("write", [fd, plan.string(value), new TextEncoder().encode(value).length], { why });
  plan.call("close", [fd]);
}
