// What this machine and this process can do: read once, when a plan is made.

import { NR } from "../../../ffi/arch/index.ts";
import { O_CLOEXEC, O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS } from "../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { OpenHow } from "../../../ffi/file.ts";
import { cstr, rawSyscall, syscall } from "../../../ffi/libc.ts";
import { exists, readText, readTextIfThere } from "../../../ffi/path.ts";
import { pack } from "../../../ffi/struct.ts";
import { statAt } from "../../../ffi/tree.ts";
import type { Process, Rlimit } from "../../spec/oci/runtime.ts";
import { limitNumber, limitWord } from "./launch/identity.ts";

const CAP_SYS_RESOURCE = 1n << 24n;

export interface HostCapabilities {
  bounding: bigint;
  effective: bigint;
  /** The kernel's last capability and all below. */
  known: bigint;
}

export function hostCapabilities(): HostCapabilities {
  const status = readText("/proc/self/status");
  const set = (name: string) => {
    const label = `\n${name}:\t`;
    const at = status.indexOf(label) + label.length;
    return BigInt(`0x${status.slice(at, at + 16)}`); // always sixteen digits: man 5 proc
  };
  const last = Number(readText("/proc/sys/kernel/cap_last_cap"));
  return { bounding: set("CapBnd"), effective: set("CapEff"), known: (1n << BigInt(last + 1)) - 1n };
}

/** Limits cut down to the hard limits of this process where it may not raise them. */
export function clampRlimits(
  wanted: readonly Rlimit[],
  capabilities: HostCapabilities,
  warn: (message: string) => void,
): Rlimit[] {
  const mayRaise = (capabilities.effective & CAP_SYS_RESOURCE) !== 0n;
  return wanted.map((limit) => {
    const number = limitNumber(limit.type);
    if (number === undefined || mayRaise) return limit;
    const now = new BigUint64Array(2);
    syscall("prlimit64", limit.type, 0, number, 0, now);
    const ceiling = now[1]!;
    if (limitWord(limit.hard) <= ceiling) return limit;
    warn(
      `${limit.type}: hard limit ${limit.hard} is above ${ceiling} and CAP_SYS_RESOURCE is missing; using ${ceiling}`,
    );
    const hard = Number(ceiling);
    return { type: limit.type, hard, soft: limitWord(limit.soft) > ceiling ? hard : limit.soft };
  });
}

/** oom_score_adj to write, if any: lowering it needs CAP_SYS_RESOURCE, so without it the present value stays. */
export function oomScore(
  process: Process | undefined,
  capabilities: HostCapabilities,
  warn: (message: string) => void,
): number | undefined {
  const wanted = process?.oomScoreAdj;
  if (wanted === undefined) return undefined;
  const now = Number(readText("/proc/self/oom_score_adj"));
  if (wanted === now) return undefined;
  if (wanted < now && (capabilities.effective & CAP_SYS_RESOURCE) === 0n) {
    warn(`oomScoreAdj ${wanted} is below ${now} and CAP_SYS_RESOURCE is missing; left at ${now}`);
    return undefined;
  }
  return wanted;
}

/** Whether this process is in a user namespace that is not the machine's first: root there may not make devices. */
export function inUserNamespace(): boolean {
  const map = readTextIfThere("/proc/self/uid_map")?.trim().split(" ").filter(Boolean);
  return map !== undefined && !(map[0] === "0" && map[1] === "0" && map[2] === "4294967295");
}

const OWN: readonly number[] = [0, 1, 2];

/** Which of stdio the container's user needs to own: what is open, not his yet, and not the null device. */
export function foreignStdio(uid: number, terminal: boolean, stdio = OWN): number[] {
  return terminal ? [] : stdioWhere((stat) => stat.uid !== uid && !isNull(stat), stdio);
}

/** Which of stdio are the null device. */
export const nullStdio = (terminal: boolean, stdio = OWN): number[] =>
  terminal ? [] : stdioWhere(isNull, stdio);

type Stat = NonNullable<ReturnType<typeof statAt>>;

const isNull = (stat: Stat) => stat.rdevMajor === 1 && stat.rdevMinor === 3;

/** Numbers of the container's streams of which `wanted` holds; `stdio`: what they are here. */
function stdioWhere(wanted: (stat: Stat) => boolean, stdio: readonly number[]): number[] {
  return OWN.filter((fd) => {
    try {
      const stat = statAt(stdio[fd]!, "");
      return stat !== undefined && wanted(stat);
    } catch {
      return false;
    }
  });
}

/** The mount that a path lies on, when it will be shared once "/" has got the propagation `wanted` ("shared", "rshared"). */
export function sharedParent(path: string, wanted: string): string | undefined {
  let best = "";
  let shared = false;
  for (const line of readText("/proc/self/mountinfo").split("\n")) {
    const fields = line.split(" ");
    const mountpoint = fields[4];
    if (mountpoint === undefined || mountpoint.length < best.length) continue;
    if (mountpoint !== "/" && path !== mountpoint && !path.startsWith(`${mountpoint}/`)) continue;
    best = mountpoint;
    shared = fields.slice(6, fields.indexOf("-")).some((field) => field.startsWith("shared:"));
  }
  return shared || best === "/" || wanted === "rshared" ? best : undefined;
}

/** Where a security label for execve goes, or undefined when none is wanted or the module is off. Throws like runc. */
export function execLabel(process: Process | undefined): { file: string; label: string } | undefined {
  const profile = process?.apparmorProfile;
  if (profile) {
    const enabled = readTextIfThere("/sys/module/apparmor/parameters/enabled")?.startsWith("Y");
    if (!enabled) {
      throw new Error("apparmor: config provided but apparmor not supported");
    }
    const own = "/proc/self/attr/apparmor/exec";
    return { file: exists(own) ? own : "/proc/self/attr/exec", label: `exec ${profile}` };
  }
  if (process?.selinuxLabel && exists("/sys/fs/selinux/enforce"))
    return { file: "/proc/self/attr/exec", label: process.selinuxLabel };
  return undefined;
}

/** linux.mountLabel, where SELinux gives it a meaning: configurations of such hosts carry one everywhere. */
export function mountLabel(label: string | undefined): string | undefined {
  return label && exists("/sys/fs/selinux/enforce") ? label : undefined;
}

const PLAINLY = pack(OpenHow, { flags: O_PATH | O_CLOEXEC, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS });

/** Whether a path below an open directory exists with no symlink on the way, so that it means the same to everybody. */
export function existsPlainly(root: Fd, path: string): boolean {
  const result = rawSyscall(NR.openat2, root.number, cstr(path), PLAINLY, OpenHow.size);
  if (result < 0) return false;
  rawSyscall(NR.close, result);
  return true;
}

/** The permissions of a path that `existsPlainly`, or undefined. */
export function plainMode(root: Fd, path: string): number | undefined {
  const result = rawSyscall(NR.openat2, root.number, cstr(path), PLAINLY, OpenHow.size);
  if (result < 0) return undefined;
  const stat = statAt(result, "");
  rawSyscall(NR.close, result);
  return stat && stat.mode & 0o7777;
}
