// The security label that execve shall give the process: AppArmor profile or SELinux context.
import { O_CLOEXEC, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { bits, type Slot } from "../../../launcher/plan.ts";
import { AT_FDCWD, type Context } from "./context.ts";

/** Opens the label's file while the host's /proc is there. Only valid in the process that opened it. */
export function openLabel({ plan }: Context, file: string): Slot {
  const fd = plan.slot("label");
  plan.call("openat", [AT_FDCWD, plan.string(file), bits({ O_WRONLY, O_CLOEXEC })], {
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
