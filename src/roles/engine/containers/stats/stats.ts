// GET /containers/{id}/stats: one look, or one a second for as long as the client stays.
import type { ContainerStats } from "../../../../spec/engine/stats.ts";
import type { Container } from "../container.ts";
import { step } from "../mailbox.ts";
import type { Room } from "../room.ts";
import { goNow, ZERO_TIME } from "../time.ts";
import { networkStats } from "./host.ts";

/** Time between two looks: what docker clients divide by. */
const INTERVAL = 1000;

export interface StatsRequest {
  stream: boolean;
  /** With `stream` off: do not wait for a second look to compare with. */
  oneShot: boolean;
}

const running = ({ state }: Container): boolean => state.running && !state.restarting && state.stored.Pid > 0;

async function look(room: Room, container: Container, last?: ContainerStats): Promise<ContainerStats> {
  const { figuresOf, noBlkio, noCpu } = await import("./metrics.ts");
  const blank: ContainerStats = {
    name: container.record.Name,
    id: container.id,
    read: ZERO_TIME,
    preread: ZERO_TIME,
    pids_stats: {},
    blkio_stats: noBlkio(),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: noCpu(),
    precpu_stats: noCpu(),
    memory_stats: {},
  };
  if (!running(container)) return blank;
  const { engine } = room;
  const [found] = await step(
    "task metrics",
    engine.services.tasks.metrics(engine.namespace, [`id==${container.id}`]),
  );
  if (!found) return blank;
  const networks = container.host.NetworkMode === "host" ? {} : networkStats(container.state.stored.Pid);
  return {
    ...blank,
    read: goNow(),
    preread: last?.read ?? ZERO_TIME,
    ...figuresOf(found.data),
    precpu_stats: last?.cpu_stats ?? noCpu(),
    ...(Object.keys(networks).length > 0 ? { networks } : {}),
  };
}

// Resolves early, without an error, when the client goes.
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** Writes one ContainerStats, or one a second until the signal fires or the container is removed. */
export async function writeStats(
  room: Room,
  container: Container,
  request: StatsRequest,
  write: (stats: ContainerStats) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let last: ContainerStats | undefined = await look(room, container);
  if (!request.stream) {
    if (!request.oneShot && running(container)) {
      await pause(INTERVAL, signal);
      last = await look(room, container, last);
    }
    return write(last);
  }
  while (!signal.aborted && room.registry.has(container.id)) {
    await write(last);
    await pause(INTERVAL, signal);
    if (signal.aborted) return;
    last = await look(room, container, last.read === ZERO_TIME ? undefined : last);
  }
}
