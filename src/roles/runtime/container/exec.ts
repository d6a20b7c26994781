// exec: a process document and a running container become a plan and a launched process.

import { arch } from "../../../../ffi/arch/index.ts";
import { O_DIRECTORY, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open, write } from "../../../../ffi/file.ts";
import { print } from "../../../../ffi/output.ts";
import { linkText } from "../../../../ffi/path.ts";
import { isAlive, pidfdOpen } from "../../../../ffi/process.ts";
import { renderPlan } from "../../../launcher/render.ts";
import { pipe, type RunningPlan, spawnPlan } from "../../../launcher/spawn.ts";
import type { Process, Status } from "../../../spec/oci/runtime.ts";
import { parseProcess } from "../../../spec/oci/runtime-validate.ts";
import { readControl } from "../cgroup/files.ts";
import { hostCgroups, membership } from "../cgroup/hierarchy.ts";
import { type CgroupPaths, directories } from "../cgroup/paths.ts";
import { notRunning, RuntimeError } from "../errors.ts";
import { clampRlimits, execLabel, foreignStdio, hostCapabilities, nullStdio, oomScore } from "../host.ts";
import { ALL_CAPABILITIES, capabilitySets } from "../launch/capabilities.ts";
import { type Descriptors, TELL } from "../launch/context.ts";
import { execPlan } from "../launch/exec-plan.ts";
import { NAMESPACE_FLAG } from "../launch/namespaces.ts";
import { keepsGroups } from "./extensions.ts";
import { filterOf } from "./filter.ts";
import { givenDescriptors, nextReport, type Stdio } from "./given.ts";
import { withHome } from "./home.ts";
import type { Listener } from "./listener.ts";
import { pidFirst } from "./pid-first.ts";
import { execAffinity, rareSettings, seccompListener } from "./rare.ts";
import type { ContainerState } from "./state.ts";

export interface ExecOptions {
  state: ContainerState;
  /** Where it was read from. */
  root: string;
  process: Process;
  preserveFds: number;
  /** Its streams, where they are not this process's own. */
  stdio?: Stdio;
  console: Fd | undefined;
  /** Cgroups to join instead of the container's own. */
  cgroups: CgroupPaths | undefined;
  planOnly: boolean;
  warn(message: string): void;
}

export interface Executed {
  pid: number;
  /** Lets the program begin. */
  begin(): void;
}

/** A process document to run. Throws RuntimeError, or what `parseProcess` throws; `name`: of the document, for the errors. */
export function processFrom(json: string, name: string): Process {
  const document = parseProcess(json, name);
  if (!document.args?.length) throw new RuntimeError("args must not be empty");
  if (!document.cwd.startsWith("/")) throw new RuntimeError("Cwd must be an absolute path");
  return document;
}

/** Throws RuntimeError when nothing can be started in a container of that status. */
export function checkExecutable(status: Status, ignorePaused: boolean): void {
  if (status === "stopped") throw new RuntimeError("cannot exec in a stopped container");
  if (status === "paused" && !ignorePaused)
    throw new RuntimeError("cannot exec in a paused container (use --ignore-paused to override)");
  if (status === "creating") throw notRunning();
}

/** Launches a process in the container, up to its execve; undefined after `planOnly`. */
export async function execInContainer(options: ExecOptions): Promise<Executed | undefined> {
  const { state, process } = options;
  const pid = state.init_process_pid;
  using init = pidfdOpen(pid);
  if (!init || !isAlive(pid, state.init_process_start)) throw notRunning();
  const { config } = state;
  const configured = (config.linux?.namespaces ?? []).map(({ type }) => type);
  const namespaces = configured.filter((type) => !sameNamespace(pid, NAMESPACE_FLAG[type].file));
  const inUserNamespace = namespaces.includes("user");
  const capabilities = hostCapabilities();
  const rlimits = process.rlimits?.length ? process.rlimits : (config.process?.rlimits ?? []);
  process.rlimits = clampRlimits(rlimits, capabilities, options.warn);
  using root = open(`/proc/${pid}/root`, O_PATH | O_DIRECTORY);
  // stdio, preserved descriptors, go, pidfd, console; the report pipe last.
  const go = 3 + options.preserveFds;
  const initFd = go + 1;
  const console = options.console ? initFd + 1 : -1;
  const { listener, withListener } = await seccompListener(config, options.planOnly);
  const next = initFd + (options.console ? 2 : 1);
  const fds: Descriptors = {
    preserve: options.preserveFds,
    go,
    start: -1,
    console,
    listener: next,
    report: next + (listener ? 2 : 0),
  };
  const plan = execPlan(process, {
    arch,
    id: state.id,
    fds,
    initFd,
    initPid: pid,
    namespaces,
    ...cgroupsToJoin(state, options.cgroups),
    ownRoot: state.no_pivot || !configured.includes("mount"),
    oomScoreAdj: oomScore(
      { ...process, oomScoreAdj: process.oomScoreAdj ?? config.process?.oomScoreAdj },
      capabilities,
      options.warn,
    ),
    keyring: state.keyring,
    execLabel: execLabel(process),
    capabilities: capabilitySets(
      process.capabilities,
      (inUserNamespace ? ALL_CAPABILITIES : capabilities.bounding) & capabilities.known,
      options.warn,
    ),
    knownCapabilities: capabilities.known,
    ownStdio: foreignStdio(process.user.uid, process.terminal ?? false, options.stdio),
    nullStdio: nullStdio(process.terminal ?? false, options.stdio),
    inUserNamespace,
    keepGroups: keepsGroups(config),
    filter: await filterOf(config, options.root),
    withListener,
    rare: await rareSettings(config, process),
    affinity: await execAffinity(config, process),
    env: withHome(process.env ?? [], root, process.user.uid),
  });
  if (options.planOnly) {
    print(renderPlan(plan));
    return undefined;
  }
  const groups = state.intel_rdt;
  const { joinRdtGroups } = groups ? await import("./intel-rdt.ts") : {};
  return launch(options, plan, init, listener, groups && ((pid) => joinRdtGroups!(groups, pid)));
}

async function launch(
  options: ExecOptions,
  plan: import("../../../launcher/plan.ts").Plan,
  init: Fd,
  listener: Listener | undefined,
  joinGroups: ((pid: number) => void) | undefined,
): Promise<Executed> {
  const go = pipe("go pipe");
  const stdio = givenDescriptors(options);
  stdio.push(go.readEnd.number, init.number);
  if (options.console) stdio.push(options.console.number);
  stdio.push(...(listener?.stdio ?? []));
  let running: RunningPlan;
  try {
    running = spawnPlan(plan, { stdio, argv0: "runc:[EXEC]", inPlace: 3 + options.preserveFds });
  } catch (error) {
    go.writeEnd.close();
    throw error;
  } finally {
    go.readEnd.close();
    options.console?.close();
  }
  // A launcher that waits for a byte ends when it cannot come any more.
  const close = () => {
    go.writeEnd.close();
    running.close();
  };
  let pid = 0;
  try {
    pid = await follow(options, running, listener, joinGroups);
  } catch (error) {
    close();
    throw error;
  }
  return {
    pid,
    begin() {
      write(go.writeEnd, new Uint8Array([1]));
      close();
    },
  };
}

/** Answers what the launcher tells until only the start is missing. Resolves to the process's pid. */
async function follow(
  options: ExecOptions,
  running: RunningPlan,
  listener: Listener | undefined,
  joinGroups: ((pid: number) => void) | undefined,
): Promise<number> {
  let pid = 0;
  const next = pidFirst(() => nextReport(running, options.stdio !== undefined));
  for (;;) {
    const report = await next();
    if (report.kind === "failed") throw report.error;
    if (report.kind === "closed") throw new Error("process in the container exited prematurely");
    if (report.code === TELL.pid) {
      pid = report.value;
      joinGroups?.(pid);
      listener?.announce(pid, options.state);
      listener?.close();
    } else if (report.code === TELL.ready) return pid;
    else throw new Error(`launcher sent an unknown message 0x${report.code.toString(16)}`);
  }
}

/** Joining the namespace one is in is refused for user namespaces and needless for all. */
function sameNamespace(pid: number, file: string): boolean {
  return linkText(`/proc/${pid}/ns/${file}`) === linkText(`/proc/self/ns/${file}`);
}

/** The container's cgroups; on v2 the one its first process moved to, when processes may not be in the upper one any more. */
function cgroupsToJoin(
  state: ContainerState,
  chosen: CgroupPaths | undefined,
): { v1: string[]; unified: string | undefined } {
  const { "": unified, ...v1 } = chosen ?? state.cgroup_paths;
  if (chosen) return { v1: directories(v1 as CgroupPaths), unified };
  return { v1: directories(v1 as CgroupPaths), unified: unified && leaf(unified, state.init_process_pid) };
}

function leaf(directory: string, pid: number): string {
  if (!readControl(directory, "cgroup.subtree_control")) return directory;
  const own = membership(pid).get("");
  const hierarchy = hostCgroups().unified;
  if (own === undefined || !hierarchy) return directory;
  return `${hierarchy.mountpoint}${own}`;
}
