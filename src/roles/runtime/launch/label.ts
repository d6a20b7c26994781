import type { Slot } from "../../../launcher/plan.ts";
import { AT_FDCWD, type Context } from "./context.ts";
import { OPEN_WRITE } from "./open-flags.ts";

/** Opens the label's file while the host's /proc is there. Only valid in the process that opened it. */
export function openLabel({ plan }: Context, file: string): Slot {
  const fd = plan.slot("label");
  plan.call("openat", [AT_FDCWD, plan.string(file), OPEN_WRITE], {
    into: fd,
    why: `opening ${file}`,
  });
  return fd;
}

export function writeLabel({ plan }: Context, file: Slot, label: string): void {
  plan.call("write", [file, plan.string(label), new TextEncoder().encode(label).length], {
    why: `setting the security label ${label}`,
  });
}
