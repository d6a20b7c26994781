// The engine's start: containers from disk, held against containerd's tasks. What lives is taken up again, what died
// meanwhile gets its exit code, what was half made or half removed is cleared.
import { rmSync } from "node:fs";
import { log } from "../../../observe/log.ts";
import type { TaskProcess } from "../../../wire/containerd/services.ts";
import { watchHealth } from "../health/monitor.ts";
import { Container } from "./container.ts";
import { attachEngineLog } from "./engine-log.ts";
import { containerExited } from "./exit.ts";
import { LogForward } from "./log-forward/forward.ts";
import { releaseNetworks } from "./network.ts";
import { removeContainer, removeSnapshot } from "./remove.ts";
import { startsWithEngine } from "./restart-policy.ts";
import { persist, placesOf, type Room } from "./room.ts";
import { launch } from "./start.ts";
import type { ExitInfo } from "./state.ts";
import { goNow } from "./time.ts";
import { judge, watchExit } from "./watch.ts";

/** How a container ended whose task is no more (the machine went down). */
const LOST_EXIT_CODE = 255;

/** Ended while no engine was there. */
interface Ended {
  container: Container;
  exit: ExitInfo;
}

/** What `load` found for `resume` to deal with, once the networks are up. */
export interface Found {
  ended: Ended[];
  interrupted: Container[];
}

/** Reads everything and takes up live tasks. Returns their containers' ids. */
export async function loadContainers(room: Room): Promise<{ live: Set<string>; found: Found }> {
  const { engine, disk, registry } = room;
  const { containers, unfinished } = disk.load();
  for (const id of unfinished) await clear(room, id);
  const tasks = new Map(
    (await engine.services.tasks.list(engine.namespace)).map((task) => [task.containerId, task]),
  );
  const live = new Set<string>();
  const found: Found = { ended: [], interrupted: [] };
  for (const { record, host } of containers) {
    const container = new Container(record, host, placesOf(engine, record.ID));
    try {
      registry.reserve(container.name, container.id);
    } catch (error) {
      // Two with one name: the second keeps its id only.
      log("error", "container's name is taken", { container: container.id, error });
      container.record.Name = `/${container.shortId}`;
      registry.reserve(container.name, container.id);
    }
    registry.add(container);
    const task = tasks.get(container.id);
    tasks.delete(container.id);
    if (adopt(room, container, task, found)) live.add(container.id);
  }
  for (const id of tasks.keys()) {
    log("warning", "containerd has a task of no container that is known here", { task: id });
  }
  return { live, found };
}

/** Compares one container with its task. True when it lives. */
function adopt(room: Room, container: Container, task: TaskProcess | undefined, found: Found): boolean {
  const { state } = container;
  const { stored } = state;
  if (stored.RemovalInProgress || stored.Dead) {
    Object.assign(stored, {
      RemovalInProgress: false,
      Dead: false,
      Running: false,
      Restarting: false,
      Pid: 0,
    });
    found.interrupted.push(container);
    return false;
  }
  if (task && (task.status === "RUNNING" || task.status === "PAUSED" || task.status === "PAUSING")) {
    takeUp(room, container, task);
    return true;
  }
  if (stored.Restarting) {
    // It was between two runs.
    Object.assign(stored, { Running: false, Restarting: false, Pid: 0 });
    return false;
  }
  if (task) {
    // Created and never started, or ended: the task goes either way.
    const seen = judge(task);
    const exit = typeof seen === "object" ? seen : { exitCode: 128, exitedAt: goNow() };
    if (!stored.Running) Object.assign(stored, { Running: true, Pid: task.pid });
    found.ended.push({ container, exit });
  } else if (stored.Running) {
    found.ended.push({ container, exit: { exitCode: LOST_EXIT_CODE, exitedAt: goNow() } });
  }
  return false;
}

function takeUp(room: Room, container: Container, task: TaskProcess): void {
  const { stored } = container.state;
  if (!stored.Running || stored.Pid !== task.pid) container.state.setRunning(task.pid);
  stored.Paused = task.status === "PAUSED";
  container.run++;
  try {
    container.streams.makeFifos();
    attachEngineLog(room, container);
    forwardAgain(container);
    container.streams.open();
    container.streamsOpened();
  } catch (error) {
    log("error", "streams of a live container cannot be opened", { container: container.id, error });
  }
  if (!stored.Paused) watchHealth(room, container, { resumed: true });
  persist(room, container);
  watchExit(room, container);
  log("info", "container taken up again", { container: container.id, pid: task.pid });
}

// A log daemon that is not there (yet) must not keep the container from being taken up.
function forwardAgain(container: Container): void {
  LogForward.open(container).then(
    (forward) => {
      container.forward = forward;
      forward?.begin();
    },
    (error: unknown) => log("error", "container's log is not handed on", { container: container.id, error }),
  );
}

// A creation that a crash cut short: no config.v2.json, so nobody was told of it.
async function clear(room: Room, id: string): Promise<void> {
  try {
    await removeSnapshot(room, id);
    rmSync(placesOf(room.engine, id).bundle, { recursive: true, force: true });
    room.disk.remove(id);
    log("info", "unfinished container removed", { container: id });
  } catch (error) {
    log("error", "unfinished container cannot be removed", { container: id, error });
  }
}

/** After the networks are up: ends, interrupted removals, restart policies. */
export async function resumeContainers(room: Room, found: Found): Promise<void> {
  for (const container of found.interrupted) {
    await removeContainer(room, container, { force: true }).catch((error: unknown) => {
      log("error", "interrupted removal cannot be finished", { container: container.id, error });
    });
  }
  for (const { container, exit } of found.ended) {
    containerExited(room, container, container.run, exit);
    await container.mailbox.run(() => {});
  }
  for (const container of room.registry.list()) {
    const { state, record, host } = container;
    if (state.running) continue;
    if (room.engine.networks.endpoints(container.id).length > 0)
      await releaseNetworks(room, container, false);
    if (host.AutoRemove && record.HasBeenStartedBefore) {
      removeContainer(room, container, { volumes: true }).catch((error: unknown) => {
        log("error", "container cannot be removed", { container: container.id, error });
      });
      continue;
    }
    if (!record.HasBeenStartedBefore) continue;
    if (!startsWithEngine(host.RestartPolicy, record.HasBeenManuallyStopped, state.stored.ExitCode)) continue;
    container.mailbox
      .run(() => launch(room, container))
      .catch((error: unknown) => {
        log("error", "container cannot be started with the engine", { container: container.id, error });
      });
  }
}
