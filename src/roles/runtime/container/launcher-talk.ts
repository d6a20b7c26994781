// The talk between the runtime and the launcher that it started, up to the point where only the start is missing.

import { O_RDWR, S_IFIFO } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { mknodat, open, write, writeAllAt } from "../../../../ffi/file.ts";
import { readText } from "../../../../ffi/path.ts";
import { isAlive, processStat } from "../../../../ffi/process.ts";
import { writeIdMaps } from "../../../launcher/id-maps.ts";
import { PlanError, pipe, type Report, type RunningPlan, spawnPlan } from "../../../launcher/spawn.ts";
import { removeCgroups } from "../cgroup/container.ts";
import { type Descriptors, TELL } from "../launch/context.ts";
import type { BegunPlan } from "../launch/create-plan.ts";
import { NAMESPACE_FLAG } from "../launch/namespaces.ts";
import { givenDescriptors, nextReport } from "./given.ts";
import { runHooks } from "./hooks.ts";
import type { Launched, LaunchOptions } from "./launch.ts";
import type { Listener } from "./listener.ts";
import { writePidFile } from "./pid-file.ts";
import { pidFirst } from "./pid-first.ts";
import { leaveDelete, leaveStart } from "./plain.ts";
import { giveNetDevices } from "./rare.ts";
import type { ContainerState, StateStore } from "./state.ts";
import { stateDocument } from "./status.ts";

export interface Failures {
  store: StateStore;
  state: ContainerState;
  running: RunningPlan | undefined;
  /** The pipe on which the launcher is allowed to go on. */
  go: Fd | undefined;
}

/** Makes what is missing of a plan that was begun. */
export interface PlanMaking {
  /** As `addRoot`. */
  root(): boolean;
  /** Up to the end. */
  process(): Promise<void>;
}

/** Spawns the launcher and answers what it tells, up to the point where only the start is missing. */
export async function follow(
  options: LaunchOptions,
  state: ContainerState,
  failures: Failures,
  { plan, context, root, process }: BegunPlan & PlanMaking,
  extra: Extra,
): Promise<Launched> {
  const { store, id } = options;
  const { config } = state;
  const go = pipe("go pipe");
  let fifo: Fd | undefined;
  if (options.waitForStart) {
    const path = store.startFifo(id);
    mknodat(-100, path, S_IFIFO | 0o600);
    // Read-write: opening does not wait for a writer, and an empty FIFO blocks the reader instead of ending.
    fifo = open(path, O_RDWR);
  }
  const stdio = givenDescriptors(options);
  stdio.push(go.readEnd.number);
  if (fifo) stdio.push(fifo.number);
  if (options.console) stdio.push(options.console.number);
  stdio.push(...(extra.listener?.stdio ?? []), ...extra.mounts.map((mount) => mount.number));
  if (extra.rest) stdio.push(extra.rest.number);
  if (stdio.length !== context.fds.report) throw new Error("descriptor plan and spawn disagree");
  failures.go = go.writeEnd;
  let running: RunningPlan;
  try {
    running = spawnPlan(plan, { stdio, argv0: "runc:[INIT]", inPlace: 3 + options.preserveFds });
  } finally {
    go.readEnd.close();
    fifo?.close();
    options.console?.close();
    for (const mount of extra.mounts) mount.close();
  }
  failures.running = running;
  const allow = () => {
    try {
      write(go.writeEnd, new Uint8Array([1]));
    } catch (error) {
      // A launcher that has failed meanwhile says why on its report pipe.
      if (!isErrno(error, "EPIPE")) throw error;
    }
  };
  if (extra.rest) {
    const { rest } = extra;
    let written = 0;
    const give = () => {
      const part = plan.next();
      writeAllAt(rest, part, written);
      written += part.length;
      allow();
    };
    if (root()) give();
    await process();
    give();
    rest.close();
  }
  const next = pidFirst(() => nextReport(running, options.stdio !== undefined));
  for (;;) {
    const report = await next();
    if (report.kind !== "message") throw await failure(report, state);
    if (report.code === TELL.pid) {
      state.init_process_pid = report.value;
      state.init_process_start = processStat(report.value)?.startTime ?? 0;
      state.namespace_paths = namespacePaths(report.value);
      store.write(state);
      if (options.plain) leaveDelete(store, state);
      options.born?.(report.value);
      extra.listener?.announce(report.value, state);
      extra.listener?.close();
      await giveNetDevices(config, report.value);
      if (state.intel_rdt) (await import("./intel-rdt.ts")).joinRdtGroups(state.intel_rdt, report.value);
      if (config.linux?.namespaces?.some((one) => one.type === "user" && !one.path)) {
        writeIdMaps(report.value, config.linux);
        allow();
      }
    } else if (report.code === TELL.mounted) {
      const document = stateDocument(state, "creating");
      await runHooks("prestart", config.hooks?.prestart, document);
      await runHooks("createRuntime", config.hooks?.createRuntime, document);
      await runHooks("createContainer", config.hooks?.createContainer, document, state);
      allow();
    } else if (report.code === TELL.ready) {
      state.ready = true;
      store.write(state);
      if (options.pidFile) writePidFile(options.pidFile, state.init_process_pid);
      if (options.plain && options.waitForStart && !options.notify) leaveStart(store, state);
      if (options.waitForStart) allow();
      return {
        state,
        begin: () => {
          if (!options.waitForStart) allow();
          go.writeEnd.close();
          running.close();
        },
      };
    } else throw new Error(`launcher sent an unknown message 0x${report.code.toString(16)}`);
  }
}

/** What few containers hand to the launcher. */
export interface Extra {
  listener: Listener | undefined;
  mounts: readonly Fd[];
  /** Takes the part of the plan that is made while the launcher runs. */
  rest: Fd | undefined;
}

export function descriptors(options: LaunchOptions, extra: Extra): Descriptors {
  const go = 3 + options.preserveFds;
  let next = go + 1;
  const start = options.waitForStart ? next++ : -1;
  const console = options.console ? next++ : -1;
  const listener = next;
  const mounts = listener + (extra.listener ? 2 : 0);
  const rest = mounts + extra.mounts.length;
  const report = rest + (extra.rest ? 1 : 0);
  const cut = extra.rest ? { rest } : {};
  return { preserve: options.preserveFds, go, start, console, listener, mounts, ...cut, report };
}

/** What state.json says of a process's namespaces. */
export function namespacePaths(pid: number): Record<string, string> {
  return Object.fromEntries(
    Object.values(NAMESPACE_FLAG).map(({ name, file }) => [
      name.replace("CLONE_", ""),
      `/proc/${pid}/ns/${file}`,
    ]),
  );
}

/** The words for a launcher that stopped. */
async function failure(report: Exclude<Report, { kind: "message" }>, state: ContainerState): Promise<Error> {
  if (report.kind === "failed")
    return new PlanError(report.error.record, report.error.errno, report.error.message);
  const oom = /oom_kill (\d+)/.exec(memoryEvents(state));
  if (oom && oom[1] !== "0") return new Error("container init was OOM-killed (memory limit too low?)");
  return new Error("container init exited prematurely");
}

function memoryEvents(state: ContainerState): string {
  const { cgroup_paths: paths } = state;
  for (const file of [`${paths["memory"]}/memory.oom_control`, `${paths[""]}/memory.events`]) {
    try {
      return readText(file);
    } catch {
      // Not this kind of hierarchy.
    }
  }
  return "";
}

/** Takes everything back: the processes first, since they keep the cgroups busy. */
export async function undo({ store, state, running, go }: Failures): Promise<void> {
  // A launcher that waits for a byte ends by itself.
  go?.close();
  running?.close();
  const pid = state.init_process_pid;
  if (pid > 0 && isAlive(pid, state.init_process_start)) {
    try {
      globalThis.process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  if (state.systemd_unit) (await import("../systemd/scope.ts")).abandonScope(state.systemd_unit);
  await removeCgroups(state.cgroup_paths);
  if (state.intel_rdt) (await import("./intel-rdt.ts")).removeRdtGroups(state.intel_rdt);
  store.remove(state.id);
}
