// Who the process will be: limits, capabilities, user and groups, no_new_privs. The order is the kernel's: what needs
// privilege comes before what takes it away.

import {
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
} from "../../../../ffi/constants/prctl.ts";
import { Address, bits, Constant } from "../../../launcher/plan.ts";
import type { Rlimit, User } from "../../../spec/oci/runtime.ts";
import { CAPABILITY_NAMES, type CapabilitySets } from "./capabilities.ts";
import { belowRoot, type Context, openInRoot } from "./context.ts";
import { DIRECTORY } from "./open-flags.ts";

const U64_MAX = 0xffffffffffffffffn;

/** A limit of config.json as the kernel's 64 bits; what JSON rounded up to 2^64 is RLIM_INFINITY. */
export function limitWord(value: number): bigint {
  return value >= 2 ** 64 ? U64_MAX : BigInt(value);
}

/** The limits in the order of their numbers: ffi/constants/resource.ts as a list (a test holds both together). */
export const LIMIT_NAMES: readonly string[] = (
  "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE RLIMIT_MEMLOCK " +
  "RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME"
).split(" ");

/** Number of a limit by its name; undefined for one this kernel interface does not know. */
export function limitNumber(type: string): number | undefined {
  const number = LIMIT_NAMES.indexOf(type);
  return number < 0 ? undefined : number;
}

export function addRlimits({ plan }: Context, rlimits: readonly Rlimit[]): void {
  for (const { type, soft, hard } of rlimits) {
    const number = limitNumber(type);
    if (number === undefined) throw new Error(`invalid rlimit type: ${type}`);
    const pair = new BigUint64Array([limitWord(soft), limitWord(hard)]);
    const at = plan.bytes("", new Uint8Array(pair.buffer));
    plan.call(
      "prlimit64",
      [0, new Constant(number, type), new Address(at.offset, `{${pair[0]}, ${pair[1]}}`), 0],
      { why: `error setting rlimits: ${type} to soft ${soft} hard ${hard}` },
    );
  }
}

export function addNoNewPrivileges({ plan }: Context): void {
  plan.call("prctl", [bits({ PR_SET_NO_NEW_PRIVS }), 1, 0, 0, 0], { why: "setting no_new_privs" });
}

/** Enters the working directory by descriptor: a path with magic links in it must not lead out (CVE-2024-21626). */
export function enterDirectory(context: Context, cwd: string, unreadable: boolean): void {
  const { plan } = context;
  const directory = plan.slot("cwd");
  const done = plan.label(unreadable ? "before the user change" : "in cwd");
  const why = `chdir to cwd (${JSON.stringify(cwd)}) set in config.json failed`;
  const tolerate = unreadable ? { tolerate: ["EACCES"], fail: done } : {};
  openInRoot(context, belowRoot(cwd), DIRECTORY, { into: directory, why, ...tolerate });
  plan.call("fchdir", [directory], { why, ...tolerate });
  plan.call("close", [directory]);
  plan.place(done);
}

export interface Identity {
  user: User;
  capabilities: CapabilitySets;
  /** Bits of the bounding set that exist in this kernel. */
  knownCapabilities: bigint;
  cwd: string;
  /** Descriptors 0–2 that shall belong to the user (a pipe from an engine belongs to root). */
  ownStdio: readonly number[];
  /** Leaves the groups this process has (crun's run.oci.keep_original_groups). */
  keepGroups: boolean;
  /** setgroups may be refused in a user namespace without privilege over it. */
  groupsMayBeDenied: boolean;
  /** CAP_SYS_ADMIN stays in force until `finishCapabilities`, for a seccomp filter without no_new_privs. */
  keepAdmin: boolean;
}

/** Bounding set, user, groups, capabilities, working directory. */
export function addIdentity(context: Context, identity: Identity): void {
  const { plan } = context;
  const { user, capabilities } = identity;
  for (const fd of identity.ownStdio) {
    // /dev/null, a file on a read-only or foreign file system: not ours to change, and no reason to stop.
    plan.call("fchown", [fd, user.uid, -1], {
      tolerate: ["EINVAL", "EPERM", "EROFS"],
      why: `giving fd ${fd} to the user`,
    });
  }
  dropBounding(context, identity.knownCapabilities & ~capabilities.bounding);
  plan.call("prctl", [bits({ PR_SET_KEEPCAPS }), 1, 0, 0, 0]);
  // As root it may enter what the user cannot; as the user, what only the user may (NFS with root squash): either will do.
  const before = user.uid !== 0;
  if (before) enterDirectory(context, identity.cwd, true);
  const groups = user.additionalGids ?? [];
  if (!identity.keepGroups)
    plan.call("setgroups", [groups.length, groups.length ? groupList(context, groups) : 0], {
      ...(identity.groupsMayBeDenied && groups.length === 0 ? { tolerate: ["EPERM"] } : {}),
      why: "setting additional groups",
    });
  plan.call("setresgid", [user.gid, user.gid, user.gid], { why: `setting gid ${user.gid}` });
  plan.call("setresuid", [user.uid, user.uid, user.uid], { why: `setting uid ${user.uid}` });
  if (!before) enterDirectory(context, identity.cwd, false);
  else enterAgain(context, identity.cwd);
  plan.call("prctl", [bits({ PR_SET_KEEPCAPS }), 0, 0, 0, 0]);
  setCapabilities(context, identity.keepAdmin ? withAdmin(capabilities) : capabilities);
  raiseAmbient(context, capabilities.ambient);
}

const CAP_SYS_ADMIN = 1n << 21n;

const withAdmin = (sets: CapabilitySets): CapabilitySets => ({
  ...sets,
  effective: sets.effective | CAP_SYS_ADMIN,
  permitted: sets.permitted | CAP_SYS_ADMIN,
});

/** Takes back what `keepAdmin` left. */
export const finishCapabilities = setCapabilities;

/** Drops each capability of `unwanted` from the bounding set: a loop, from the highest number down. */
function dropBounding({ plan }: Context, unwanted: bigint): void {
  if (unwanted === 0n) return;
  const set = plan.slot(`unwanted 0x${unwanted.toString(16)}`, Number(unwanted));
  const number = plan.slot("capability");
  const bit = plan.slot("bit");
  const next = plan.label("next capability");
  const drop = plan.label("drop it");
  const kept = plan.label("or keep it");
  const done = plan.label("bounding set done");
  plan.set(number, unwanted.toString(2).length);
  plan.place(next);
  plan.compute(number, -1, 0, 1, { into: number });
  plan.compute(set, -1, number, 0, { into: bit });
  plan.compute(bit, 1, 0, 0, { ok: drop, zero: kept });
  plan.place(drop);
  plan.call("prctl", [bits({ PR_CAPBSET_DROP }), number, 0, 0, 0], {
    tolerate: ["EINVAL"],
    why: "dropping capabilities from the bounding set",
  });
  plan.place(kept);
  plan.compute(number, -1, 0, 0, { ok: next, zero: done });
  plan.place(done);
}

/** The second try, as the user; it may fail when the first one succeeded. */
function enterAgain(context: Context, cwd: string): void {
  // A directory that root entered and the user may not search stays the working directory, as with a login shell's.
  enterDirectory(context, cwd, true);
}

function groupList({ plan }: Context, groups: readonly number[]): Address {
  const at = plan.bytes("", new Uint8Array(Uint32Array.from(groups).buffer));
  return new Address(at.offset, `{${groups.join(", ")}}`);
}

const LINUX_CAPABILITY_VERSION_3 = 0x20080522;

function setCapabilities({ plan }: Context, sets: CapabilitySets): void {
  const header = new Uint8Array(new Uint32Array([LINUX_CAPABILITY_VERSION_3, 0]).buffer);
  const low = (set: bigint) => Number(set & 0xffffffffn);
  const high = (set: bigint) => Number(set >> 32n);
  const { effective, permitted, inheritable } = sets;
  const data = new Uint32Array([
    low(effective),
    low(permitted),
    low(inheritable),
    high(effective),
    high(permitted),
    high(inheritable),
  ]);
  const hex = (set: bigint) => `0x${set.toString(16)}`;
  const at = plan.bytes("", new Uint8Array(data.buffer));
  plan.call(
    "capset",
    [
      plan.bytes("capability version 3", header),
      new Address(
        at.offset,
        `{effective ${hex(effective)}, permitted ${hex(permitted)}, inheritable ${hex(inheritable)}}`,
      ),
    ],
    { why: "unable to apply caps: capset" },
  );
}

function raiseAmbient({ plan }: Context, ambient: bigint): void {
  plan.call("prctl", [bits({ PR_CAP_AMBIENT }), bits({ PR_CAP_AMBIENT_CLEAR_ALL }), 0, 0, 0], {
    tolerate: ["EINVAL"],
  });
  CAPABILITY_NAMES.forEach((name, number) => {
    // Ambient needs permitted and inheritable; like runc, one that cannot be raised is left out.
    if (ambient & (1n << BigInt(number)))
      plan.call(
        "prctl",
        [bits({ PR_CAP_AMBIENT }), bits({ PR_CAP_AMBIENT_RAISE }), new Constant(number, name), 0, 0],
        {
          tolerate: ["EPERM", "EINVAL"],
        },
      );
  });
}
