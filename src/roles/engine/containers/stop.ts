// POST /containers/{id}/stop and /restart: the stop signal, a time of grace, then SIGKILL.
import { notModified } from "../errors.ts";
import type { Container } from "./container.ts";
import { cancelRestart, killHard, markStopped, sendSignal, stopSignal, untilStopped } from "./kill.ts";
import { containerEvent, type Room } from "./room.ts";
import { parseSignal } from "./signals.ts";
import { startContainer } from "./start.ts";

const DEFAULT_GRACE = 10;

export interface StopOptions {
  /** Name or number; the container's own stop signal when absent. */
  signal?: string;
  /** Seconds; negative waits for ever; the container's own when absent. */
  timeout?: number;
}

/** ApiError 304 when it does not run. */
export async function stopContainer(
  room: Room,
  container: Container,
  options: StopOptions = {},
): Promise<void> {
  const signal = options.signal ? parseSignal(options.signal) : stopSignal(container);
  if (container.state.restarting) {
    cancelRestart(room, container);
    containerEvent(room, container, "stop");
    return;
  }
  if (!container.state.running) throw notModified();
  const grace = options.timeout ?? container.record.Config.StopTimeout ?? DEFAULT_GRACE;
  markStopped(room, container);
  if (await sendSignal(room, container, signal)) {
    if (!(await untilStopped(room, container, grace < 0 ? -1 : grace * 1000)))
      await killHard(room, container);
  } else if (!(await untilStopped(room, container, 5000))) {
    await killHard(room, container);
  }
  containerEvent(room, container, "stop");
}

/** Stops it when it runs, then starts it. */
export async function restartContainer(
  room: Room,
  container: Container,
  options: StopOptions = {},
): Promise<void> {
  if (container.state.running) {
    // A container of --rm is to survive its own restart.
    const { AutoRemove } = container.host;
    container.host = { ...container.host, AutoRemove: false };
    try {
      await stopContainer(room, container, options);
    } finally {
      container.host = { ...container.host, AutoRemove };
    }
  }
  await startContainer(room, container);
  containerEvent(room, container, "restart");
}
