// Signals to a container's process.
import { log } from "../../../observe/log.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { ApiError, conflict } from "../errors.ts";
import type { Container } from "./container.ts";
import { containerExited } from "./exit.ts";
import { step } from "./mailbox.ts";
import { containerEvent, persist, type Room } from "./room.ts";
import { parseSignal, SIGKILL, SIGTERM } from "./signals.ts";
import { uninterruptible } from "./stuck.ts";
import { look } from "./watch.ts";

/** How long SIGKILL may take before it is reported that the kernel does not let go of the process. */
const KILL_DEADLINE = 10_000;
const LOOK_INTERVAL = 500;

export function notRunning(container: Container): ApiError {
  return conflict(`container ${container.id} is not running`);
}

/**
 * A step on a live task. ApiError 409 when it failed because the task ended while it was under way: between the look at the
 * state and the kernel's answer there is always a moment for that.
 */
export async function onLiveTask<T>(container: Container, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const ended =
      error instanceof ServiceError &&
      (error.code === "NotFound" ||
        /not running|process already finished|no such process/.test(error.message));
    throw ended ? notRunning(container) : error;
  }
}

/** Sends one signal. False when the process is gone already. */
export async function sendSignal(room: Room, container: Container, signal: number): Promise<boolean> {
  const { engine } = room;
  // With the host's pid namespace the end of the first process does not end the others.
  const all = signal === SIGKILL && container.host.PidMode === "host";
  const send = (): Promise<void> =>
    step(
      "signal",
      engine.services.tasks.kill(engine.namespace, container.id, signal, { all }),
      KILL_DEADLINE,
    );
  try {
    try {
      await send();
    } catch (error) {
      // The shim's connection was closed under the call: its container has ended just now, or it is to be asked again.
      if (!(error instanceof ServiceError) || error.code !== "Unavailable") throw error;
      if (typeof (await look(room, container)) === "object") return false;
      await send();
    }
  } catch (error) {
    if (
      error instanceof ServiceError &&
      (error.code === "NotFound" || /process already finished|no such process/.test(error.message))
    ) {
      return false;
    }
    throw error;
  }
  // A frozen process acts on no signal.
  if (container.state.paused && signal === SIGKILL) {
    await engine.services.tasks.resume(engine.namespace, container.id).catch(() => {});
    container.state.stored.Paused = false;
  }
  containerEvent(room, container, "kill", { signal: String(signal) });
  return true;
}

/** Resolves when the container is no longer running, false after `milliseconds` (negative: never). Looks at the task itself, too. */
export async function untilStopped(room: Room, container: Container, milliseconds: number): Promise<boolean> {
  const { run } = container;
  const timeout = new AbortController();
  const timer =
    milliseconds < 0 ? undefined : setTimeout(() => timeout.abort(new Error("late")), milliseconds);
  // News of the end may be lost; the task's state is not.
  const looking = setInterval(() => {
    look(room, container).then(
      (seen) => {
        if (typeof seen === "object") containerExited(room, container, run, seen);
      },
      () => {},
    );
  }, LOOK_INTERVAL);
  try {
    await container.state.wait("not-running", timeout.signal);
    return true;
  } catch {
    return !container.state.running;
  } finally {
    clearTimeout(timer);
    clearInterval(looking);
  }
}

/** SIGKILL, and the proof that it worked. ApiError 500 that names the process when the kernel keeps it. */
export async function killHard(room: Room, container: Container): Promise<void> {
  const pid = container.state.stored.Pid;
  await sendSignal(room, container, SIGKILL);
  if (await untilStopped(room, container, KILL_DEADLINE)) return;
  const hint = uninterruptible(pid);
  throw new ApiError(
    500,
    `Cannot kill container ${container.shortId}: tried to kill container, but did not receive an exit event${hint === "" ? "" : ` (${hint})`}`,
  );
}

/** POST /containers/{id}/kill */
export async function killContainer(room: Room, container: Container, signalText: string): Promise<void> {
  const signal = signalText === "" ? SIGKILL : parseSignal(signalText);
  const { state } = container;
  if (state.restarting) {
    cancelRestart(room, container);
    return;
  }
  if (!state.running) throw notRunning(container);
  if (signal === SIGKILL) {
    markStopped(room, container);
    await killHard(room, container);
    return;
  }
  if (signal === stopSignal(container)) markStopped(room, container);
  if (!(await sendSignal(room, container, signal))) throw notRunning(container);
}

/** The container's end is wanted: its restart policy does not act. */
export function markStopped(room: Room, container: Container): void {
  container.stopping = true;
  container.record.HasBeenManuallyStopped = true;
  persist(room, container);
}

/** Ends the wait for the next restart. */
export function cancelRestart(room: Room, container: Container): void {
  container.restart?.cancel();
  container.restart = undefined;
  const { stored } = container.state;
  container.record.HasBeenManuallyStopped = true;
  container.state.setStopped({ exitCode: stored.ExitCode, exitedAt: stored.FinishedAt });
  persist(room, container);
  log("debug", "restart cancelled", { container: container.id });
}

export function stopSignal(container: Container): number {
  const { StopSignal } = container.record.Config;
  return StopSignal ? parseSignal(StopSignal) : SIGTERM;
}
