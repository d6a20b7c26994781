// How the engine learns that a container's process has ended: it waits for the task, hears containerd's events, and looks
// for itself every few seconds. Whichever comes first counts; the state of the task is the truth, events are only news.

import { fromBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { isAlive, processStat } from "../../../../ffi/process.ts";
import { log } from "../../../observe/log.ts";
import { type Envelope, ServiceError, type TaskProcess } from "../../../wire/containerd/services.ts";
import { TaskExitSchema, TaskOOMSchema } from "../../../wire/gen/events/task_pb.ts";
import type { Container } from "./container.ts";
import { containerExited } from "./exit.ts";
import { containerEvent, type Room } from "./room.ts";
import type { ExitInfo } from "./state.ts";
import { goNow, goTime } from "./time.ts";

/** How often it is looked whether the containers' processes are there. */
const RECONCILE_INTERVAL = 10_000;
/** What docker shows for a process whose end nobody saw. */
const LOST_EXIT_CODE = 255;

const asGoTime = (date: Date | undefined): string => (date ? goTime(date.getTime()) : goNow());

/** Watches the current run of a container until it ends. */
export function watchExit(room: Room, container: Container): void {
  const { run } = container;
  void waitForExit(room, container).then((exit) => {
    if (exit) containerExited(room, container, run, exit);
  });
}

async function waitForExit(room: Room, container: Container): Promise<ExitInfo | undefined> {
  const { engine } = room;
  const { run } = container;
  for (let pause = 50; !engine.shutdown.aborted && container.run === run; pause = Math.min(pause * 2, 5000)) {
    try {
      const exit = await engine.services.tasks.wait(engine.namespace, container.id);
      return { exitCode: exit.exitStatus, exitedAt: asGoTime(exit.exitedAt) };
    } catch (error) {
      // The connection broke, or the shim is gone: look, then wait again.
      const seen = await look(room, container);
      if (seen === "unknown") log("debug", "waiting for a task failed", { container: container.id, error });
      else if (seen !== "alive") return seen;
      await Bun.sleep(pause);
    }
  }
  return undefined;
}

/** The task as containerd sees it now: alive, how it ended, or unknown while containerd does not answer. */
export async function look(room: Room, container: Container): Promise<"alive" | "unknown" | ExitInfo> {
  const { engine } = room;
  try {
    return judge(await engine.services.tasks.get(engine.namespace, container.id));
  } catch (error) {
    if (error instanceof ServiceError && error.code === "NotFound") {
      return { exitCode: LOST_EXIT_CODE, exitedAt: goNow() };
    }
    return "unknown";
  }
}

export function judge(task: TaskProcess): "alive" | ExitInfo {
  if (task.status !== "STOPPED") return "alive";
  return { exitCode: task.exitStatus, exitedAt: asGoTime(task.exitedAt) };
}

function onEvent(room: Room, envelope: Envelope): void {
  if (envelope.topic === "/tasks/exit") {
    const event = fromBinary(TaskExitSchema, envelope.event.value);
    const exit = {
      exitCode: event.exitStatus,
      exitedAt: asGoTime(event.exitedAt && timestampDate(event.exitedAt)),
    };
    if (event.id !== event.containerId) {
      room.execs.exited(event.id, exit.exitCode);
      return;
    }
    const container = room.registry.find(event.containerId);
    // An event of an earlier run carries another pid.
    if (container && container.state.stored.Pid === event.pid) {
      containerExited(room, container, container.run, exit);
    }
  } else if (envelope.topic === "/tasks/oom") {
    const event = fromBinary(TaskOOMSchema, envelope.event.value);
    const container = room.registry.find(event.containerId);
    if (!container) return;
    container.oomKilled = true;
    container.state.stored.OOMKilled = true;
    containerEvent(room, container, "oom");
  }
}

async function listen(room: Room): Promise<void> {
  const { engine } = room;
  const filters = ["/tasks/exit", "/tasks/oom"].map(
    (topic) => `topic=="${topic}",namespace==${engine.namespace}`,
  );
  while (!engine.shutdown.aborted) {
    try {
      for await (const envelope of engine.services.events.subscribe(filters, engine.shutdown)) {
        onEvent(room, envelope);
      }
    } catch (error) {
      if (engine.shutdown.aborted) return;
      log("warning", "containerd's event stream broke", { error });
    }
    await Bun.sleep(1000);
  }
}

/** When the process of each run began, as the kernel counts it: a pid alone may be another process's by now. */
const begun = new WeakMap<Container, { run: number; startTime: number }>();

/**
 * Whether the first process of the present run is there. Asked of the kernel and not of the container's shim, which sleeps, and
 * would be woken for it every few seconds.
 */
function processLives(container: Container): boolean {
  const { run } = container;
  const pid = container.state.stored.Pid;
  const known = begun.get(container);
  if (known?.run === run) return isAlive(pid, known.startTime);
  const stat = processStat(pid);
  if (!stat) return false;
  begun.set(container, { run, startTime: stat.startTime });
  return isAlive(pid, stat.startTime);
}

/** Holds what the engine believes against the kernel, and against containerd where the two differ, once. */
export async function reconcile(room: Room): Promise<void> {
  for (const container of room.registry.list()) {
    const { state, run } = container;
    // In the middle of a start or a stop the mailbox knows better.
    if (!state.running || state.restarting || state.stored.Pid === 0 || processLives(container)) continue;
    const seen = await look(room, container);
    if (typeof seen === "object" && container.run === run) {
      log("warning", "container's end was not announced", { container: container.id });
      containerExited(room, container, run, seen);
    }
  }
}

/** Starts listening and looking; both end with the engine. */
export function watchTasks(room: Room): void {
  void listen(room);
  const timer = setInterval(() => {
    reconcile(room).catch((error: unknown) => log("debug", "reconciling failed", { error }));
  }, RECONCILE_INTERVAL);
  timer.unref();
  room.engine.shutdown.addEventListener("abort", () => clearInterval(timer), { once: true });
}
