// The one place that asks which machine this is. Everything else imports from here.
import * as arm64 from "./arm64.ts";
import * as x64 from "./x64.ts";

export type Arch = "x64" | "arm64";

/** Syscall names that both machines have. */
export type SyscallName = keyof typeof x64.NR & keyof typeof arm64.NR;

/** All that differs, by machine: the launcher's assembler needs the table of a machine it may not run on. */
export const machines = { x64, arm64 } as const;

export const arch: Arch = process.arch === "arm64" ? "arm64" : "x64";

const here = machines[arch];
export const NR: Readonly<Record<SyscallName, number>> = here.NR;
export const { O_DIRECT, O_LARGEFILE, O_DIRECTORY, O_NOFOLLOW, AUDIT_ARCH, ELF_MACHINE } = here;
