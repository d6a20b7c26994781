// Another process in a running container: join its cgroups and namespaces, then the same last stretch as the first one.
import type { Arch } from "../../../../ffi/arch/index.ts";
import { PR_SET_DUMPABLE, PR_SET_NAME } from "../../../../ffi/constants/prctl.ts";
import { bits, Plan, type Slot } from "../../../launcher/plan.ts";
import type { NamespaceType, Process } from "../../../spec/oci/runtime.ts";
import { joinTasks, openTasks } from "./cgroup-join.ts";
import { addConsole } from "./console.ts";
import { AT_FDCWD, awaitGo, type Context, type Descriptors, tell } from "./context.ts";
import { writeFile } from "./files.ts";
import { addRlimits } from "./identity.ts";
import { addKeyring } from "./keyring.ts";
import { openLabel, writeLabel } from "./label.ts";
import { addClone, flagsOf } from "./namespaces.ts";
import { OPEN_DIRECTORY } from "./open-flags.ts";
import {
  addLateSeccomp,
  addProcess,
  closeOnExec,
  closeOthers,
  type ProcessFacts,
  type RareSettings,
} from "./process.ts";
import { execute } from "./program.ts";

export interface ExecFacts extends ProcessFacts {
  arch: Arch;
  id: string;
  fds: Descriptors;
  /** Descriptor of the container's first process (a pidfd), and its pid for /proc. */
  initFd: number;
  initPid: number;
  /** Namespaces to join; without those that are the runtime's own already. */
  namespaces: readonly NamespaceType[];
  /** v1 directories to join. */
  v1: readonly string[];
  /** Unified directory to join. */
  unified: string | undefined;
  /** Whether the mount namespace's root is not the container's (no mount namespace, or --no-pivot). */
  ownRoot: boolean;
  oomScoreAdj: number | undefined;
  keyring: boolean;
  execLabel: { file: string; label: string } | undefined;
  /** Sets the CPUs to run on before, and after, the cgroups are joined. */
  affinity: { initial: RareSettings | undefined; final: RareSettings | undefined };
}

export function execPlan(process: Process, facts: ExecFacts): Plan {
  const plan = new Plan(`exec ${facts.id}`, facts.arch);
  const context: Context = {
    plan,
    fds: facts.fds,
    root: plan.slot("root"),
    hows: new Map(),
    mounts: [],
    ready: new Map(),
    label: undefined,
    exists: () => false,
    modeOf: () => undefined,
    abandoned: plan.label("abandoned"),
  };
  const child = plan.label("process in the container");
  const cgroupNamespace = facts.namespaces.includes("cgroup");
  const first = facts.namespaces.filter((type) => type !== "cgroup");

  closeOnExec(context);
  plan.call("prctl", [bits({ PR_SET_DUMPABLE }), 0, 0, 0, 0]);
  plan.call("prctl", [bits({ PR_SET_NAME }), plan.string("runc:[EXEC]"), 0, 0, 0]);
  if (facts.oomScoreAdj !== undefined)
    writeFile(
      context,
      "/proc/self/oom_score_adj",
      String(facts.oomScoreAdj),
      "failed to update oom_score_adj",
    );
  if (facts.inUserNamespace) addRlimits(context, process.rlimits ?? []);
  facts.affinity.initial?.(context);
  const tasks = openTasks(context, facts.v1);
  let unified = facts.unified;
  if (unified !== undefined && facts.inUserNamespace) {
    // Behind the user namespace the clone would not be allowed into it any more.
    writeFile(context, `${unified}/cgroup.procs`, "0", `joining cgroup ${unified}`);
    unified = undefined;
  }
  const cgroupFd =
    unified === undefined ? undefined : openDirectory(context, unified, `opening cgroup ${unified}`);
  let containerRoot: Slot | undefined;
  if (facts.ownRoot)
    containerRoot = openDirectory(context, `/proc/${facts.initPid}/root`, "opening the container's root");
  const label = facts.execLabel && openLabel(context, facts.execLabel.file);
  if (first.length > 0)
    plan.call("setns", [facts.initFd, flagsOf(first)], {
      why: `joining the namespaces of process ${facts.initPid}`,
    });
  addClone(context, [], cgroupFd, child);

  plan.place(child);
  joinTasks(context, tasks, facts.v1);
  facts.affinity.final?.(context);
  if (cgroupNamespace)
    plan.call("setns", [facts.initFd, flagsOf(["cgroup"])], { why: "joining the cgroup namespace" });
  plan.call("close", [facts.initFd]);
  if (facts.inUserNamespace) {
    plan.call("setresgid", [0, 0, 0], { why: "becoming root in the user namespace" });
    plan.call("setresuid", [0, 0, 0], { why: "becoming root in the user namespace" });
    if (!facts.keepGroups) plan.call("setgroups", [0, 0], { tolerate: ["EPERM"] });
  }
  plan.call("setsid", [], { why: "setsid" });
  if (facts.keyring) addKeyring(context, facts.id);
  if (containerRoot) {
    plan.call("fchdir", [containerRoot], { why: "entering the container's root" });
    plan.call("chroot", [plan.string(".")], { why: "chroot" });
  }
  plan.call("openat", [AT_FDCWD, plan.string("/"), OPEN_DIRECTORY], {
    into: context.root,
  });
  if (process.terminal)
    addConsole(context, { size: process.consoleSize, uid: process.user.uid, bind: false });
  if (label && facts.execLabel) writeLabel(context, label, facts.execLabel.label);
  closeOthers(context);
  plan.call("openat", [AT_FDCWD, plan.string("/"), OPEN_DIRECTORY], {
    into: context.root,
  });
  const program = addProcess(context, process, facts);
  tell(context, "ready");
  awaitGo(context);
  addLateSeccomp(context, process, facts);
  execute(context, program, process.args ?? [], facts.env);
  plan.place(context.abandoned);
  plan.call("exit_group", [1]);
  return plan;
}

function openDirectory({ plan }: Context, path: string, why: string): Slot {
  const fd = plan.slot("directory");
  plan.call("openat", [AT_FDCWD, plan.string(path), OPEN_DIRECTORY], {
    into: fd,
    why,
  });
  return fd;
}
