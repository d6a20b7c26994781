// What every part of a launch plan needs: the plan, the descriptors by their number in the launcher, the talk with the parent.
import {
  AT_EMPTY_PATH,
  O_CLOEXEC,
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "../../../../ffi/constants/fcntl.ts";
import { MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH } from "../../../../ffi/constants/mount.ts";
import { OpenHow } from "../../../../ffi/file.ts";
import { pack } from "../../../../ffi/struct.ts";
import {
  Address,
  bits,
  Constant,
  type Label,
  type Outcome,
  type Plan,
  type Slot,
} from "../../../launcher/plan.ts";
import { MESSAGE } from "../../../launcher/spawn.ts";
import type { Mount } from "../../../spec/oci/runtime.ts";

/** Messages of the launcher to the runtime, over the report pipe: {code, value}. */
export const TELL = {
  /** value: pid of the container's first process, as the launcher's own pid namespace numbers it. */
  pid: MESSAGE + 1,
  /** Everything is mounted; hooks may run; the launcher waits for a byte. */
  mounted: MESSAGE + 2,
  /** All is set up but for the execve; the launcher waits for a byte. */
  ready: MESSAGE + 3,
} as const;

/** Descriptor numbers in the launcher. stdio is 0–2, then come the preserved ones. */
export interface Descriptors {
  preserve: number;
  /** The parent writes one byte for each step it allows; end of file means that it is gone. */
  go: number;
  /** The start FIFO, opened read-write; -1 when there is none (`run`, `exec`). */
  start: number;
  /** A connected socket for the console's master; -1: none. */
  console: number;
  /** A connected socket for the seccomp listener; the next one is the pipe with the state that goes with it. */
  listener?: number;
  /** The first of the prepared mounts, in the order of config.json. */
  mounts?: number;
  /** The memfd with what comes after the plan's cut; absent when it is not cut. */
  rest?: number;
  report: number;
}

/** A mount of this plan: `empty` ones have nothing in them but what the plan itself puts there. */
export interface MadeMount {
  /** As `belowRoot` gives it. */
  path: string;
  mount: Slot;
  empty: boolean;
}

export interface Context {
  plan: Plan;
  fds: Descriptors;
  /** The container's root directory, opened; paths in the container resolve below it. */
  root: Slot;
  /** open_how structs made so far, by their flags. */
  hows: Map<Constant, Address>;
  /** Mounts made so far, innermost last: where later mountpoints may lie. */
  mounts: MadeMount[];
  /** Mounts of config.json that exist already, detached: made by the runtime, or taken before the user namespace was entered. */
  ready: Map<Mount, Slot>;
  /** SELinux label for new file systems, where that module is on. */
  label: string | undefined;
  /** Whether a path below the root exists already, without a symlink on the way (asked of the host). */
  exists(path: string): boolean;
  /** Permissions of such a path. */
  modeOf(path: string): number | undefined;
  /** Where a launcher goes whose parent died: it ends. */
  abandoned: Label;
}

export const AT_FDCWD = new Constant(-100, "AT_FDCWD");
export const CLOEXEC = bits({ O_CLOEXEC });
export const ATTACH = bits({ MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH });
export const EMPTY_PATH = bits({ AT_EMPTY_PATH });

/** Tells the parent a message without a value. */
export function tell({ plan, fds }: Context, name: keyof typeof TELL): void {
  const message = new Uint8Array(8);
  new DataView(message.buffer).setUint32(0, TELL[name], true);
  plan.call("write", [fds.report, plan.bytes(`message ${name}`, message), 8]);
}

/** Waits for the parent's byte; the launcher ends when the parent is gone. */
export function awaitGo({ plan, fds, abandoned }: Context): void {
  plan.call("read", [fds.go, plan.bytes("go", new Uint8Array(8)), 1], {
    zero: abandoned,
    why: "waiting for the runtime",
  });
}

/** Path below the root, for openat2: cleaned as if from "/", no leading slash; "." for the root itself. */
export function belowRoot(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts.length === 0 ? "." : parts.join("/");
}

const RESOLVE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

/** openat2 of a `belowRoot` path in the container's root (or another directory): links stay inside, magic ones are refused. */
export function openInRoot(
  context: Context,
  path: string,
  flags: Constant,
  outcome: Outcome,
  below?: Slot,
): void {
  const { plan, root } = context;
  let how = context.hows.get(flags);
  if (!how) {
    const values = { flags: Number(flags.value) + O_CLOEXEC, resolve: RESOLVE };
    how = new Address(plan.bytes("", pack(OpenHow, values)).offset, `{${flags.text}}`);
    context.hows.set(flags, how);
  }
  const args = [below ?? root, plan.string(path), how, OpenHow.size] as const;
  // A rename or mount anywhere on the machine while ".." is resolved makes it EAGAIN: once more. An open that is more than
  // O_PATH might say so for ever (a lease).
  if (outcome.tolerate || (flags.value & O_PATH) === 0) {
    plan.call("openat2", args, outcome);
    return;
  }
  const again = plan.label(`open ${path}`);
  plan.place(again);
  plan.call("openat2", args, { ...outcome, tolerate: RETRIED, fail: again });
}

const RETRIED = ["EAGAIN"];

/** Attaches a detached mount to an open target by descriptor. Both stay open until `closeOthers`. */
export function attach({ plan }: Context, mount: Slot, target: Slot, why: string): void {
  const empty = plan.string("");
  plan.call("move_mount", [mount, empty, target, empty, ATTACH], { why });
}
