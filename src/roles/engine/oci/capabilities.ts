// Capabilities of a container: docker's default set, --cap-add, --cap-drop, --privileged. man 7 capabilities.
import { readFileSync } from "node:fs";
import { badRequest } from "../errors.ts";

/** Every capability by its kernel number. linux/capability.h */
export const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

/** What a container gets when nothing is said, in dockerd's order. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/** The capabilities this process may hand on: what ALL and --privileged mean. */
export function ownCapabilities(): string[] {
  const bounding = /^CapBnd:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
  const mask = BigInt(`0x${bounding ?? "0"}`);
  return CAPABILITIES.filter((_name, number) => (mask >> BigInt(number)) & 1n);
}

/** "net_admin" → "CAP_NET_ADMIN"; ApiError 400 for an unknown one. `field` is CapAdd or CapDrop. */
export function normalizeCapabilities(list: readonly string[] | null, field: string): string[] {
  return (list ?? []).map((given) => {
    const upper = given.toUpperCase();
    if (upper === "ALL") return "ALL";
    const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (!(CAPABILITIES as readonly string[]).includes(name)) {
      throw badRequest(`invalid ${field}: unknown capability: "${name}"`);
    }
    return name;
  });
}

/** The set that results from the defaults and the two lists. `all` is what ALL stands for on this host. */
export function tweakCapabilities(
  add: readonly string[],
  drop: readonly string[],
  privileged: boolean,
  all: readonly string[],
): string[] {
  if (privileged) return [...all];
  if (add.length === 0 && drop.length === 0) return [...DEFAULT_CAPABILITIES];
  if (add.includes("ALL")) return all.filter((name) => !drop.includes(name));
  if (drop.includes("ALL")) return unique(add);
  return unique([...DEFAULT_CAPABILITIES.filter((name) => !drop.includes(name)), ...add]);
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}
