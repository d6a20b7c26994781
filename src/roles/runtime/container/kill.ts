// Signals to a container, and its end.

import { isErrno } from "../../../../ffi/errno.ts";
import { pidfdWait } from "../../../../ffi/poll.ts";
import { isAlive, pidfdOpen, pidfdSignal } from "../../../../ffi/process.ts";
import {
  bringBack,
  cgroupPids,
  isFrozen,
  killCgroup,
  removeCgroups,
  setFrozen,
} from "../cgroup/container.ts";
import { notRunning, RuntimeError } from "../errors.ts";
import { log } from "../log.ts";
import { tryHooks } from "./hooks.ts";
import { SIGNALS } from "./signals.ts";
import type { ContainerState, StateStore } from "./state.ts";
import { stateDocument } from "./status.ts";

export const SIGKILL = 9;

/** "TERM", "SIGTERM", "15" → 15. Throws RuntimeError. */
export function signalNumber(word: string): number {
  // Also one that does not exist: the kernel says so.
  if (/^\d+$/.test(word)) return Number(word);
  const name = word.toUpperCase().replace(/^(SIG)?/, "SIG");
  const known = SIGNALS[name];
  if (known !== undefined) return known;
  const realtime = /^SIGRT(MIN|MAX)([+-]\d+)?$/.exec(name);
  if (realtime) {
    const number = (realtime[1] === "MIN" ? 34 : 64) + Number(realtime[2] ?? 0);
    if (number >= 34 && number <= 64) return number;
  }
  throw new RuntimeError(`unknown signal ${JSON.stringify(word)}`);
}

/** Whether the container's processes live in a pid namespace that dies with its first process. */
export function ownsPids(state: ContainerState): boolean {
  return (state.config.linux?.namespaces ?? []).some((one) => one.type === "pid" && !one.path);
}

/** Signals the container's first process; with `all`, or SIGKILL where it shares its pid namespace, every process. */
export function signalContainer(state: ContainerState, signal: number, all: boolean): void {
  const everyone = all || (signal === SIGKILL && !ownsPids(state));
  if (everyone) {
    if (signal !== SIGKILL || !killCgroup(state.cgroup_paths)) signalAll(state, signal);
  } else {
    using process = pidfdOpen(state.init_process_pid);
    // Checked after the descriptor is open: the pid cannot be reused under it any more.
    if (!process || !isAlive(state.init_process_pid, state.init_process_start)) throw notRunning();
    let sent: boolean;
    try {
      sent = pidfdSignal(process, signal);
    } catch (error) {
      if (!isErrno(error, "EINVAL")) throw error;
      throw new RuntimeError("unable to signal init: invalid argument");
    }
    if (!sent) throw notRunning();
  }
  // On v1 a frozen process does not even die of SIGKILL until it is thawed.
  if (signal === SIGKILL && isFrozen(state.cgroup_paths)) setFrozen(state.cgroup_paths, false);
}

/** Signals every process of the cgroups, frozen meanwhile where that can be, so that none forks away. */
function signalAll(state: ContainerState, signal: number): void {
  const paths = state.cgroup_paths;
  let frozen = false;
  try {
    setFrozen(paths, true);
    frozen = true;
  } catch {
    // No freezer: SIGKILL is repeated below by the caller until the cgroup is empty.
  }
  try {
    for (const pid of cgroupPids(paths)) {
      using process = pidfdOpen(pid);
      if (process) pidfdSignal(process, signal);
    }
  } finally {
    if (frozen) setFrozen(paths, false);
  }
}

/** How long a killed process may take before its cgroup is looked at. */
const STRAY_MS = 500;

/** Kills the first process and waits for its end. */
export function killAndWait(state: ContainerState, deadlineMs = 10_000): void {
  using process = pidfdOpen(state.init_process_pid);
  if (!process || !isAlive(state.init_process_pid, state.init_process_start)) return;
  pidfdSignal(process, SIGKILL);
  if (isFrozen(state.cgroup_paths)) setFrozen(state.cgroup_paths, false);
  if (pidfdWait(process, STRAY_MS)) return;
  // Somebody may have moved it into a frozen cgroup of his own: back in the container's, it can die.
  bringBack(state.cgroup_paths, state.init_process_pid);
  if (!pidfdWait(process, deadlineMs)) throw new RuntimeError("container init still running");
}

/** Removes all traces of a container whose first process has ended. */
export async function destroyContainer(store: StateStore, state: ContainerState): Promise<void> {
  const paths = state.cgroup_paths;
  // Without a pid namespace of its own its other processes outlive it; after an aborted create nobody knows the pid.
  if (!ownsPids(state) || state.init_process_pid === 0) {
    if (!killCgroup(paths) && cgroupPids(paths).length > 0) signalAll(state, SIGKILL);
  }
  if (state.systemd_unit) (await import("../systemd/scope.ts")).stopScope(state.systemd_unit);
  await removeCgroups(paths);
  if (state.intel_rdt) (await import("./intel-rdt.ts")).removeRdtGroups(state.intel_rdt);
  store.remove(state.id);
  await tryHooks("poststop", state.config.hooks?.poststop, stateDocument(state, "stopped"), (message) =>
    log("warning", message),
  );
}
