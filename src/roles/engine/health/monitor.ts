// Watches a container's health for as long as it runs: a check, a pause, a check. docker's states, events and log of five.

import { log } from "../../../observe/log.ts";
import type { Health } from "../../../spec/engine/container.ts";
import type { Container } from "../containers/container.ts";
import { containerEvent, persist, type Room } from "../containers/room.ts";
import { restartContainer } from "../containers/stop.ts";
import { fromGoTime } from "../containers/time.ts";
import { anySignal } from "../server/any-signal.ts";
import { countFailedHealthCheck, countHealthCheck } from "../system/counts.ts";
import { type Check, checkOf } from "./config.ts";
import { probe } from "./probe.ts";
import { judgeHealth, nextCheck, startingHealth } from "./verdict.ts";

/** Of ours: a container with this label ("true") is started again when it becomes unhealthy. */
export const RESTART_LABEL = "bunker.restart-on-unhealthy";

/**
 * Begins to watch: after a start, an unpause, or when a live container is taken up again (`resumed`: its state goes on).
 * Nothing for a container without a check.
 */
export function watchHealth(room: Room, container: Container, options: { resumed?: boolean } = {}): void {
  stopWatching(container);
  const check = checkOf(container.record.Config);
  const { stored } = container.state;
  if (!check) {
    delete stored.Health;
    return;
  }
  if (!options.resumed || !stored.Health) stored.Health = startingHealth(stored.Health);
  const stop = new AbortController();
  container.health = { stop: () => stop.abort() };
  const any = anySignal([stop.signal, room.engine.shutdown]);
  run(room, container, check, any.signal)
    .catch((error: unknown) => {
      log("error", "container's health cannot be watched", { container: container.id, error });
    })
    .finally(() => any[Symbol.dispose]());
}

/** Ends the watching. docker calls a container whose watch ended unhealthy; `quietly` leaves the state (the engine goes). */
export function stopWatching(container: Container, options: { quietly?: boolean } = {}): void {
  if (!container.health) return;
  container.health.stop();
  container.health = undefined;
  const { Health } = container.state.stored;
  if (Health && !options.quietly) container.state.stored.Health = { ...Health, Status: "unhealthy" };
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    timer.unref();
    signal.addEventListener("abort", done, { once: true });
  });
}

async function run(room: Room, container: Container, check: Check, signal: AbortSignal): Promise<void> {
  const startedAt = fromGoTime(container.state.stored.StartedAt);
  const health = (): Health => container.state.stored.Health ?? startingHealth();
  for (;;) {
    await pause(nextCheck(health().Status, check, Date.now() - startedAt), signal);
    if (signal.aborted) return;
    const result = await probe(room, container, check, signal);
    if (signal.aborted || !result) return;
    countHealthCheck();
    if (result.ExitCode !== 0) countFailedHealthCheck();
    const before = health();
    const after = judgeHealth(before, result, check, fromGoTime(result.Start) - startedAt);
    container.state.stored.Health = after;
    persist(room, container);
    if (after.Status === before.Status) continue;
    containerEvent(room, container, `health_status: ${after.Status}`);
    if (after.Status === "unhealthy") restartIfAsked(room, container);
  }
}

function restartIfAsked(room: Room, container: Container): void {
  if (container.record.Config.Labels?.[RESTART_LABEL] !== "true") return;
  log("warning", "container is unhealthy and is started again", { container: container.id });
  restartContainer(room, container).catch((error: unknown) => {
    log("error", "unhealthy container cannot be started again", { container: container.id, error });
  });
}
