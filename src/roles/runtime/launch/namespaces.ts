// Namespaces: which the clone makes anew, which are joined by path, which come later. config-linux.md#namespaces

import { O_CLOEXEC } from "../../../../ffi/constants/fcntl.ts";
import {
  CLONE_INTO_CGROUP,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_PARENT,
} from "../../../../ffi/constants/sched.ts";
import { layout, pack } from "../../../../ffi/struct.ts";
import { Address, bits, type Constant, type Label, type Slot } from "../../../launcher/plan.ts";
import type { Linux, Namespace, NamespaceType } from "../../../spec/oci/runtime.ts";
import { AT_FDCWD, type Context, TELL } from "./context.ts";
import { OPEN_WRITE } from "./open-flags.ts";

export const NAMESPACE_FLAG: Readonly<Record<NamespaceType, { name: string; flag: number; file: string }>> = {
  user: { name: "CLONE_NEWUSER", flag: CLONE_NEWUSER, file: "user" },
  ipc: { name: "CLONE_NEWIPC", flag: CLONE_NEWIPC, file: "ipc" },
  uts: { name: "CLONE_NEWUTS", flag: CLONE_NEWUTS, file: "uts" },
  network: { name: "CLONE_NEWNET", flag: CLONE_NEWNET, file: "net" },
  pid: { name: "CLONE_NEWPID", flag: CLONE_NEWPID, file: "pid" },
  mount: { name: "CLONE_NEWNS", flag: CLONE_NEWNS, file: "mnt" },
  cgroup: { name: "CLONE_NEWCGROUP", flag: CLONE_NEWCGROUP, file: "cgroup" },
  time: { name: "CLONE_NEWTIME", flag: CLONE_NEWTIME, file: "time" },
};

/** Joining order: the user namespace first, since it gives the privilege over those it owns; mount and cgroup last. */
const JOIN_ORDER: readonly NamespaceType[] = [
  "user",
  "ipc",
  "uts",
  "network",
  "pid",
  "time",
  "mount",
  "cgroup",
];

export const CloneArgs = layout({
  c: "struct clone_args",
  header: "linux/sched.h",
  size: 88,
  fields: { flags: [0, "u64"], exit_signal: [32, "u64"], cgroup: [80, "u64"] },
});

export function flagsOf(types: readonly NamespaceType[]): Constant {
  return bits(
    Object.fromEntries(types.map((type) => [NAMESPACE_FLAG[type].name, NAMESPACE_FLAG[type].flag])),
  );
}

/** Joins the namespaces that have a path. They are opened before the first setns, which may change what paths mean. */
export function joinNamespaces({ plan }: Context, namespaces: readonly Namespace[]): void {
  const joins = JOIN_ORDER.flatMap((type) => namespaces.filter((one) => one.type === type && one.path));
  const opened = joins.map((one) => {
    const fd = plan.slot(`${one.type} namespace`);
    plan.call("openat", [AT_FDCWD, plan.string(one.path!), bits({ O_RDONLY: 0, O_CLOEXEC })], {
      into: fd,
      why: `opening the ${one.type} namespace ${one.path}`,
    });
    return { one, fd };
  });
  for (const { one, fd } of opened) {
    plan.call("setns", [fd, flagsOf([one.type])], { why: `joining the ${one.type} namespace ${one.path}` });
    plan.call("close", [fd]);
  }
}

/** A new time namespace is entered by the next child; its offsets must be written before. man 7 time_namespaces */
export function addTimeNamespace({ plan }: Context, offsets: Linux["timeOffsets"]): void {
  plan.call("unshare", [flagsOf(["time"])], { why: "creating the time namespace" });
  const lines = Object.entries(offsets ?? {}).map(
    ([clock, { secs = 0, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}\n`,
  );
  if (lines.length === 0) return;
  const why = "writing the time offsets";
  const fd = plan.slot("timens_offsets");
  const text = lines.join("");
  plan.call("openat", [AT_FDCWD, plan.string("/proc/self/timens_offsets"), OPEN_WRITE], {
    into: fd,
    why,
  });
  plan.call("write", [fd, plan.string(text), new TextEncoder().encode(text).length], { why });
  plan.call("close", [fd]);
}

/**
 * The clone: parent tells the child's pid and ends, the child goes on at `child`. CLONE_PARENT makes it the child of the
 * runtime (or of whoever reaps after it), not of this launcher. A cgroup v2 directory is entered by the clone itself,
 * which costs a tenth of writing to cgroup.procs.
 */
export function addClone(
  context: Context,
  types: readonly NamespaceType[],
  cgroup: Slot | undefined,
  child: Label,
): void {
  const { plan, fds } = context;
  const flags = bits({
    CLONE_PARENT,
    ...(cgroup ? { CLONE_INTO_CGROUP } : {}),
    ...Object.fromEntries(types.map((type) => [NAMESPACE_FLAG[type].name, NAMESPACE_FLAG[type].flag])),
  });
  const raw = plan.bytes("", pack(CloneArgs, { flags: BigInt(flags.value) }));
  const args = new Address(raw.offset, `{${flags.text}}`);
  if (cgroup)
    plan.compute(cgroup, -1, 0, 0, {
      into: plan.field(new Address(raw.offset, "clone_args"), CloneArgs.fields.cgroup[0]),
    });
  const message = new Uint8Array(16);
  new DataView(message.buffer).setUint32(0, TELL.pid, true);
  const pid = plan.bytes("message pid", message);
  plan.call("clone3", [args, CloneArgs.size], {
    into: plan.field(pid, 4),
    zero: child,
    why: "creating the container's process and namespaces",
  });
  plan.call("write", [fds.report, pid, 8]);
  plan.call("exit_group", [0]);
}
