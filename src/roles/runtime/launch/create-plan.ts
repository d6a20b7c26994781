// The whole plan of a container's first process, in the order that runtime-spec runtime.md#lifecycle asks for.
import type { Arch } from "../../../../ffi/arch/index.ts";
import { O_CLOEXEC, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { MOUNT_ATTR_RDONLY } from "../../../../ffi/constants/mount.ts";
import { PR_SET_DUMPABLE, PR_SET_NAME } from "../../../../ffi/constants/prctl.ts";
import { bits, Plan, type Slot } from "../../../launcher/plan.ts";
import type { Config, Mount, NamespaceType } from "../../../spec/oci/runtime.ts";
import type { Cgroups } from "../cgroup/hierarchy.ts";
import { type CgroupPaths, directories } from "../cgroup/paths.ts";
import { joinTasks, openTasks } from "./cgroup-join.ts";
import { addCgroupMount } from "./cgroup-mount.ts";
import { addConsole } from "./console.ts";
import { AT_FDCWD, awaitGo, belowRoot, type Context, type Descriptors, tell } from "./context.ts";
import { addDeviceLinks, addDevices, containerDevices } from "./devices.ts";
import { writeFile } from "./files.ts";
import { addRlimits } from "./identity.ts";
import { addKeyring } from "./keyring.ts";
import { openLabel, writeLabel } from "./label.ts";
import { raiseLoopback } from "./loopback.ts";
import { type Masks, maskPath, readonlyPath, takeMasks } from "./masks.ts";
import { makeDirectories } from "./mountpoint.ts";
import { addMount, isBind, type SourceKind, setAttributes } from "./mounts.ts";
import { addClone, addTimeNamespace, flagsOf, joinNamespaces } from "./namespaces.ts";
import { OPEN_DIRECTORY } from "./open-flags.ts";
import type { Outside, takeOutside } from "./outside.ts";
import { addLateSeccomp, addProcess, closeOnExec, closeOthers, type ProcessFacts } from "./process.ts";
import { execute } from "./program.ts";
import { changeRoot, finishRoot, makeRootReadonly, moveRoot, pivotRoot, prepareRoot } from "./rootfs.ts";
import { addSysctls } from "./sysctl.ts";

/** What the plan needs to know up to the clone; nothing else is read, so tests need no root. */
export interface CloneFacts {
  arch: Arch;
  id: string;
  fds: Descriptors;
  rootfs: string;
  cgroups: Cgroups;
  cgroupPaths: CgroupPaths;
  sourceKind: SourceKind;
  /** Whether a path below the rootfs exists, without a symlink on the way. */
  exists(path: string): boolean;
  /** Permissions of such a path. */
  modeOf(path: string): number | undefined;
  /** New value for oom_score_adj; undefined leaves it. */
  oomScoreAdj: number | undefined;
  inUserNamespace: boolean;
  /** Mounts that the runtime has made already: descriptors from `fds.mounts` on, in this order. */
  prepared: readonly Mount[];
  /** Takes what a container in a user namespace needs from outside of it; undefined without one. */
  outside: typeof takeOutside | undefined;
  /** A user without privilege writes the id maps: only for a dumpable process, whose /proc files are his. */
  mappedByUser: boolean;
  /** SELinux label of the file systems that the container gets anew. */
  mountLabel: string | undefined;
}

/** What it needs to know further, to put the container's root in place. */
export interface RootFacts extends CloneFacts {
  /** Mount that the rootfs lies on, when it is shared and must be made private first. */
  sharedParent: string | undefined;
  hostHasKcore: boolean;
  noPivot: boolean;
  keyring: boolean;
  keepGroups: boolean;
  /** Whether hooks run between mounting and pivot_root. */
  hooks: boolean;
  /** Devices are bound from the host, where making them is refused. */
  hostDevices: boolean;
  /** Text for /proc/self/attr/…/exec, where a security module is on. */
  execLabel: { file: string; label: string } | undefined;
}

/** What is known of the host and the request when the plan is made. */
export interface CreateFacts extends RootFacts, ProcessFacts {}

const DEFAULT_FDS_NAME = "runc:[INIT]";

/** A plan that is not at its end yet, and what the rest of it must know. */
export interface BegunPlan {
  plan: Plan;
  context: Context;
  fresh: readonly NamespaceType[];
  ownMounts: boolean;
  outside: Outside | undefined;
  /** The v1 cgroups, and their opened `tasks` files. */
  v1: string[];
  tasks: Slot[];
  /** Set by `addRoot`. */
  readonlyLater: Slot[];
  masks?: Masks;
  label?: Slot;
}

/** The plan, from close_range to execve. Throws on what config.json asks for and this runtime cannot do. */
export function createPlan(config: Config, facts: CreateFacts): Plan {
  const begun = beginPlan(config, facts);
  addRoot(begun, config, facts);
  finishPlan(begun, config, facts);
  return begun.plan;
}

/**
 * The plan as far as the new namespaces. With `facts.fds.rest` it is cut there: the launcher can start with this, and makes the
 * namespaces (1 ms) while the rest is made; and again behind `addRoot`, unless the parent has something else to allow until then.
 */
export function beginPlan(config: Config, facts: CloneFacts): BegunPlan {
  const plan = new Plan(`create ${facts.id}`, facts.arch);
  const context: Context = {
    plan,
    fds: facts.fds,
    root: plan.slot("root"),
    hows: new Map(),
    mounts: [],
    ready: new Map(),
    label: facts.mountLabel,
    exists: facts.exists,
    modeOf: facts.modeOf,
    abandoned: plan.label("abandoned"),
  };
  const namespaces = config.linux?.namespaces ?? [];
  const fresh = namespaces.filter((one) => !one.path).map((one) => one.type);
  const child = plan.label("container's first process");

  closeOnExec(context);
  if (!facts.mappedByUser) undumpable(context);
  plan.call("prctl", [bits({ PR_SET_NAME }), plan.string(DEFAULT_FDS_NAME), 0, 0, 0]);
  if (facts.oomScoreAdj !== undefined)
    writeFile(
      context,
      "/proc/self/oom_score_adj",
      String(facts.oomScoreAdj),
      "failed to update oom_score_adj",
    );
  if (facts.inUserNamespace) addRlimits(context, config.process?.rlimits ?? []);
  const v1 = facts.cgroups.mode === "v2" ? [] : v1Directories(facts.cgroupPaths);
  const tasks = openTasks(context, v1);
  let unified: Slot | undefined;
  if (facts.cgroupPaths[""] !== undefined) {
    unified = plan.slot("cgroup");
    const why = `opening cgroup ${facts.cgroupPaths[""]}`;
    const flags = OPEN_DIRECTORY;
    plan.call("openat", [AT_FDCWD, plan.string(facts.cgroupPaths[""]), flags], { into: unified, why });
  }
  facts.prepared.forEach((mount, i) => {
    context.ready.set(mount, plan.slot(`prepared ${mount.destination}`, (facts.fds.mounts ?? 0) + i));
  });
  const ownMounts = namespaces.some((one) => one.type === "mount");
  const outside = ownMounts ? facts.outside?.(context, config, facts.rootfs, facts.sourceKind) : undefined;
  joinNamespaces(context, namespaces);
  if (fresh.includes("time")) addTimeNamespace(context, config.linux?.timeOffsets);
  const cloned: NamespaceType[] = fresh.filter((type) => type !== "cgroup" && type !== "time");
  addClone(context, cloned, unified, child);
  plan.place(context.abandoned);
  plan.call("exit_group", [1]);
  plan.place(child);
  if (facts.fds.rest !== undefined) {
    awaitGo(context);
    plan.cut(facts.fds.rest);
  }
  return { plan, context, fresh, ownMounts, outside, v1, tasks, readonlyLater: [] };
}

/** The container's first process, from its cgroups to a root file system that is in place. Returns whether it was cut there. */
export function addRoot(begun: BegunPlan, config: Config, facts: RootFacts): boolean {
  const { plan, context, fresh, ownMounts, outside, v1, tasks, readonlyLater } = begun;
  joinTasks(context, tasks, v1);
  if (fresh.includes("user")) awaitGo(context);
  // Of a joined one, too: its owner on the host is nobody in there, and may make no files.
  if (config.linux?.namespaces?.some(({ type }) => type === "user")) becomeRoot(context, facts.keepGroups);
  if (facts.mappedByUser) undumpable(context);
  plan.call("setsid", [], { why: "setsid" });
  if (fresh.includes("cgroup"))
    plan.call("unshare", [flagsOf(["cgroup"])], { why: "creating the cgroup namespace" });
  if (facts.keyring) addKeyring(context, facts.id);
  if (fresh.includes("network")) raiseLoopback(context);
  plan.call("umask", [0]);

  if (ownMounts) {
    prepareRoot(context, facts.rootfs, config.linux?.rootfsPropagation, facts.sharedParent, outside?.root);
    addMounts(context, config, facts, readonlyLater, fresh.includes("cgroup"), outside);
    if ((config.linux?.maskedPaths ?? []).length > 0) begun.masks = takeMasks(context);
  } else refuseMounts(config);
  if (config.linux?.sysctl) addSysctls(context, config.linux.sysctl);
  if (facts.execLabel) begun.label = openLabel(context, facts.execLabel.file);
  if (facts.hooks) {
    tell(context, "mounted");
    awaitGo(context);
  }
  if (!ownMounts) changeRoot(context, facts.rootfs);
  else if (facts.noPivot) moveRoot(context);
  else pivotRoot(context);
  const cut = facts.fds.rest !== undefined && !facts.hooks && !fresh.includes("user");
  if (cut) {
    awaitGo(context);
    plan.cut(facts.fds.rest!);
  }
  return cut;
}

/** The rest of the plan: what is closed, who the process is, and its execve. */
export function finishPlan(begun: BegunPlan, config: Config, facts: CreateFacts): void {
  const { plan, context, ownMounts, readonlyLater, masks, label } = begun;
  makeDirectories(context, config.process?.cwd ?? "/", "creating the working directory");
  if (config.process?.terminal)
    addConsole(context, { size: config.process.consoleSize, uid: config.process.user.uid, bind: ownMounts });
  for (const mount of readonlyLater)
    setAttributes(
      context,
      mount,
      { set: MOUNT_ATTR_RDONLY, text: "MOUNT_ATTR_RDONLY" },
      false,
      "making /dev read-only",
    );
  if (config.root?.readonly && ownMounts) makeRootReadonly(context);
  if (config.hostname) setName(context, "sethostname", config.hostname);
  if (config.domainname) setName(context, "setdomainname", config.domainname);
  for (const path of config.linux?.readonlyPaths ?? []) readonlyPath(context, path);
  for (const path of config.linux?.maskedPaths ?? []) maskPath(context, path, masks!);
  if (ownMounts) finishRoot(context, config.linux?.rootfsPropagation);

  const process = config.process!;
  if (label && facts.execLabel) writeLabel(context, label, facts.execLabel.label);
  const closeHere = plan.slot("root again");
  reopenRoot(context, closeHere);
  // Not before: its number would be the next that is given out, below what has just been closed.
  if (facts.fds.rest !== undefined) plan.call("close", [facts.fds.rest]);
  const program = addProcess(context, process, facts);
  tell(context, "ready");
  awaitGo(context);
  if (facts.fds.start >= 0) awaitStart(context);
  addLateSeccomp(context, process, facts);
  execute(context, program, process.args ?? [], facts.env);
}

/** Nobody in the container may look into this process, or at what it has open (CVE-2016-9962). */
function undumpable({ plan }: Context): void {
  plan.call("prctl", [bits({ PR_SET_DUMPABLE }), 0, 0, 0, 0]);
}

/** v1 only: the unified directory is entered by the clone. */
function v1Directories(paths: CgroupPaths): string[] {
  const { "": _unified, ...v1 } = paths;
  return directories(v1);
}

/** In a user namespace that has its maps. */
function becomeRoot(context: Context, keepGroups: boolean): void {
  const { plan } = context;
  plan.call("setresgid", [0, 0, 0], { why: "becoming root in the user namespace" });
  plan.call("setresuid", [0, 0, 0], { why: "becoming root in the user namespace" });
  if (!keepGroups) plan.call("setgroups", [0, 0], { tolerate: ["EPERM"] });
}

function addMounts(
  context: Context,
  config: Config,
  facts: RootFacts,
  readonlyLater: Slot[],
  cgroupNamespace: boolean,
  outside: Outside | undefined,
): void {
  const mounts = config.mounts ?? [];
  for (const mount of mounts) {
    if (mount.type === "cgroup")
      addCgroupMount(context, mount, facts.cgroups, facts.cgroupPaths, cgroupNamespace);
    else addMount(context, mount, facts.sourceKind, readonlyLater);
  }
  // A /dev that is bound from outside is left as it is.
  const foreign = mounts.some((mount) => isBind(mount) && belowRoot(mount.destination) === "dev");
  if (foreign) return;
  makeDirectories(context, "/dev", "creating /dev");
  addDevices(
    context,
    containerDevices(config.linux?.devices ?? []),
    facts.hostDevices ? "host" : outside?.devices,
  );
  addDeviceLinks(context, facts.hostHasKcore);
}

function refuseMounts(config: Config): void {
  const linux = config.linux ?? {};
  if ((linux.maskedPaths ?? []).length > 0 || (linux.readonlyPaths ?? []).length > 0)
    throw new Error("unable to restrict sys entries without a private MNT namespace");
  if ((config.mounts ?? []).length > 0) throw new Error("unable to mount without a private MNT namespace");
}

function setName({ plan }: Context, call: "sethostname" | "setdomainname", name: string): void {
  const what = call === "sethostname" ? "hostname" : "domainname";
  plan.call(call, [plan.string(name), new TextEncoder().encode(name).length], {
    why: `unable to set ${what}`,
  });
}

/** Drops every descriptor of the set-up, the mounts and the host's paths among them, and opens the root anew. */
function reopenRoot(context: Context, root: Slot): void {
  closeOthers(context);
  context.plan.call("openat", [AT_FDCWD, context.plan.string("/"), bits({ O_PATH, O_CLOEXEC })], {
    into: root,
  });
  context.root = root;
}

/** Blocks on the start FIFO. It is open for writing here too, so that an empty one blocks instead of ending. */
function awaitStart({ plan, fds }: Context): void {
  plan.call("close", [fds.report]);
  plan.call("read", [fds.start, plan.bytes("start", new Uint8Array(8)), 1], { why: "waiting for start" });
}
