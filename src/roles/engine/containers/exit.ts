// What follows a process's end: its streams run dry, the task and the addresses go, the state is written, and then it is
// started again, removed, or left as it is.
import { log } from "../../../observe/log.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { within } from "../../../within.ts";
import { stopWatching } from "../health/monitor.ts";
import type { ProcessStreams } from "../streams/process-streams.ts";
import type { Container } from "./container.ts";
import { step } from "./mailbox.ts";
import { releaseNetworks } from "./network.ts";
import { removeContainer } from "./remove.ts";
import { restartDelay, STEADY_RUN } from "./restart-policy.ts";
import { containerEvent, persist, type Room } from "./room.ts";
import { unmountSharedShm } from "./shareable-shm.ts";
import { launch } from "./start.ts";
import type { ExitInfo } from "./state.ts";
import { fromGoTime } from "./time.ts";
import { releaseMounts } from "./volumes.ts";

/** A client that takes nothing for so long no longer keeps the task of a container that has ended. */
const DRAIN_LIMIT = 60_000;

/** Tells of the end of run number `run`. News that come twice, or late, change nothing. */
export function containerExited(room: Room, container: Container, run: number, exit: ExitInfo): void {
  container.mailbox
    .run(async () => {
      const { state } = container;
      if (container.run !== run || !state.running || state.restarting) return;
      await ended(room, container, exit);
    })
    .catch((error: unknown) => {
      log("error", "container's end could not be dealt with", { container: container.id, error });
    });
}

/** Inside the mailbox. */
export async function ended(room: Room, container: Container, exit: ExitInfo): Promise<void> {
  const { state, record } = container;
  stopWatching(container);
  const streams = container.takeStreams();
  const { settled, drained } = streams.finish();
  // Whoever is attached has the whole output before the container counts as ended, unless he does not take it.
  await settled;
  room.execs.containerEnded(container.id);
  container.released = release(room, container, streams, drained);
  const lasted = fromGoTime(exit.exitedAt) - fromGoTime(state.stored.StartedAt);
  const delay = room.stopping
    ? undefined
    : restartDelay(container.host.RestartPolicy, {
        exitCode: exit.exitCode,
        lasted,
        failures: container.failures,
        restartCount: record.RestartCount,
        stoppedByHand: container.stopping || record.HasBeenManuallyStopped,
      });
  const info: ExitInfo = { ...exit, oomKilled: container.oomKilled };
  containerEvent(room, container, "die", {
    exitCode: String(exit.exitCode),
    execDuration: String(Math.max(0, Math.trunc(lasted / 1000) || 0)),
  });
  // The shim is asked to delete the task before this process stops for the kernel, which takes the network apart meanwhile.
  await new Promise<void>((resolve) => setImmediate(resolve));
  await releaseNetworks(room, container);
  // The task's cgroup and mounts are gone when those who wait for the end are told.
  await within(2000, container.released);
  if (delay === undefined) {
    state.setStopped(info);
    releaseMounts(room, container);
    // What is written first of a removal says that it has ended, too.
    if (container.host.AutoRemove && !room.stopping) removeLater(room, container);
    else persist(room, container);
    return;
  }
  container.failures = lasted >= STEADY_RUN ? 1 : container.failures + 1;
  record.RestartCount++;
  state.setRestarting(info);
  persist(room, container);
  restartLater(room, container, delay);
}

// The task is deleted once its output was taken; then the container's record in containerd.
async function release(
  room: Room,
  container: Container,
  streams: ProcessStreams,
  drained: Promise<void>,
): Promise<void> {
  const { engine } = room;
  const { forward } = container;
  container.forward = undefined;
  await within(DRAIN_LIMIT, drained);
  const gone = async (what: string, work: Promise<unknown>): Promise<void> => {
    try {
      await step(what, work);
    } catch (error) {
      if (error instanceof ServiceError && error.code === "NotFound") return;
      log("error", `${what} failed after the container's end`, { container: container.id, error });
    }
  };
  await gone("task delete", engine.services.tasks.delete(engine.namespace, container.id));
  await gone("container record", engine.services.containers.delete(engine.namespace, container.id));
  streams.close();
  unmountSharedShm(container);
  await forward?.finish();
}

function removeLater(room: Room, container: Container): void {
  removeContainer(room, container, { force: true, volumes: true }).catch((error: unknown) => {
    log("error", "container cannot be removed after its end", { container: container.id, error });
  });
}

/** Starts it again after `delay`, unless somebody stops, starts or removes it first. */
export function restartLater(room: Room, container: Container, delay: number): void {
  const timer = setTimeout(() => {
    container.restart = undefined;
    container.mailbox
      .run(async () => {
        if (!container.state.restarting || room.stopping) return;
        await launch(room, container);
      })
      .catch((error: unknown) => {
        log("error", "container cannot be started again", { container: container.id, error });
      });
  }, delay);
  container.restart = { cancel: () => clearTimeout(timer) };
}
