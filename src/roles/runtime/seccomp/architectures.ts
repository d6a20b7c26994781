// Architectures a filter can be for: their audit numbers and system call tables.

import type { Arch } from "../../../../ffi/arch/index.ts";
import { runs as aarch64 } from "./tables/aarch64.ts";
import { runs as arm } from "./tables/arm.ts";
import { runs as x32 } from "./tables/x32.ts";
import { runs as x86 } from "./tables/x86.ts";
import { runs as x86_64 } from "./tables/x86_64.ts";

export interface Architecture {
  /** AUDIT_ARCH_*, linux/audit.h. x32 shares x86-64's and is told apart by a bit in the number. */
  audit: number;
  runs: readonly (readonly [first: number, names: string])[];
}

export const X32_BIT = 0x40000000;

export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  SCMP_ARCH_X86_64: { audit: 0xc000003e, runs: x86_64 },
  SCMP_ARCH_X86: { audit: 0x40000003, runs: x86 },
  SCMP_ARCH_X32: { audit: 0xc000003e, runs: x32 },
  SCMP_ARCH_AARCH64: { audit: 0xc00000b7, runs: aarch64 },
  SCMP_ARCH_ARM: { audit: 0x40000028, runs: arm },
};

export const NATIVE: Readonly<Record<Arch, string>> = { x64: "SCMP_ARCH_X86_64", arm64: "SCMP_ARCH_AARCH64" };

/** Name → number. */
export function systemCalls({ runs }: Architecture): Map<string, number> {
  const table = new Map<string, number>();
  for (const [first, names] of runs)
    names.split(" ").forEach((name, i) => {
      table.set(name, first + i);
    });
  return table;
}
