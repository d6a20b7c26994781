// Capability sets: names to bits, limited to what this process may hand on. config.md#linux-process
import type { Capabilities } from "../../../spec/oci/runtime.ts";

/**
 * Every capability name, in the order of its number: ffi/constants/capability.ts as a list (a test holds both together), since
 * that module taken as a whole costs every start 0.5 ms.
 */
export const CAPABILITY_NAMES: readonly string[] = (
  "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP " +
  "CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER " +
  "CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE " +
  "CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP " +
  "CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF " +
  "CAP_CHECKPOINT_RESTORE"
).split(" ");

export interface CapabilitySets {
  bounding: bigint;
  effective: bigint;
  inheritable: bigint;
  permitted: bigint;
  ambient: bigint;
}

export const ALL_CAPABILITIES = (1n << BigInt(CAPABILITY_NAMES.length)) - 1n;

/** The sets as bits. What is unknown, or outside `available`, is left out and told to `warn`. */
export function capabilitySets(
  wanted: Capabilities | undefined,
  available: bigint,
  warn: (message: string) => void,
): CapabilitySets {
  const left = new Set<string>();
  const bitsOf = (names: readonly string[] | undefined) => {
    let set = 0n;
    for (const name of names ?? []) {
      const number = CAPABILITY_NAMES.indexOf(name);
      const bit = number < 0 ? 0n : 1n << BigInt(number);
      if (bit & available) set |= bit;
      else left.add(name);
    }
    return set;
  };
  const sets = {
    bounding: bitsOf(wanted?.bounding),
    effective: bitsOf(wanted?.effective),
    inheritable: bitsOf(wanted?.inheritable),
    permitted: bitsOf(wanted?.permitted),
    ambient: bitsOf(wanted?.ambient),
  };
  if (left.size > 0) warn(`ignoring unknown or unavailable capabilities: [${[...left].join(" ")}]`);
  return sets;
}
