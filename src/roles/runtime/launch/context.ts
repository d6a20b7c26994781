// What every part of a launch plan needs: the plan, the descriptors by their number in the launcher, the talk with the parent.
import {
  AT_EMPTY_PATH,
  O_CLOEXEC,
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
  report: number;
}

export interface Context {
  plan: Plan;
  fds: Descriptors;
  /** The container's root directory, opened; paths in the container resolve below it. */
  root: Slot;
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

/** openat2 below the container's root: symlinks stay inside, magic links are refused. */
export function openInRoot(
  { plan, root }: Context,
  path: string,
  flags: Constant,
  outcome: Outcome & { mode?: number },
): void {
  const resolve = bits({ RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS });
  const { mode = 0, ...rest } = outcome;
  const how = pack(OpenHow, {
    flags: BigInt(flags.value) | BigInt(O_CLOEXEC),
    mode,
    resolve: resolve.value,
  });
  const at = plan.bytes("", how);
  plan.call(
    "openat2",
    [
      root,
      plan.string(belowRoot(path)),
      new Address(at.offset, `{${flags.text}${mode ? ` 0${mode.toString(8)}` : ""}}`),
      OpenHow.size,
    ],
    rest,
  );
}

/** Attaches a detached mount to an open target by descriptor, then forgets the target. */
export function attach({ plan }: Context, mount: Slot, target: Slot, why: string): void {
  plan.call("move_mount", [mount, plan.string(""), target, plan.string(""), ATTACH], { why });
  plan.call("close", [target]);
}
