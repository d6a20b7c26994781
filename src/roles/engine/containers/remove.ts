// DELETE /containers/{id}. Marked first, then taken apart from the outside in; the directory, which proves that there was a
// container, goes last, so that a removal cut short is finished at the engine's next start.

import { rmSync } from "node:fs";
import { log } from "../../../observe/log.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { ApiError, conflict } from "../errors.ts";
import { containerAction } from "../system/counts.ts";
import type { Container } from "./container.ts";
import { cancelRestart, killHard, markStopped } from "./kill.ts";
import { step } from "./mailbox.ts";
import { releaseNetworks } from "./network.ts";
import { containerEvent, persist, type Room, snapshotterOf } from "./room.ts";
import { unmountSharedShm } from "./shareable-shm.ts";
import { anonymousVolumes, removeAnonymousVolumes } from "./volumes.ts";

export interface RemoveOptions {
  /** Kill it when it runs. */
  force?: boolean;
  /** Its anonymous volumes as well. */
  volumes?: boolean;
}

function refuseRunning(container: Container): ApiError {
  const { state } = container;
  const hint = state.paused
    ? "container is paused and must be unpaused first"
    : state.restarting
      ? "container is restarting: stop the container before removing or force remove"
      : "container is running: stop the container before removing or force remove";
  return conflict(`cannot remove container "${container.name}": ${hint}`);
}

/** ApiError 409 for a running container without `force`, or one that is being removed. */
export async function removeContainer(
  room: Room,
  container: Container,
  options: RemoveOptions = {},
): Promise<void> {
  const { state } = container;
  if (!room.registry.has(container.id)) return;
  if (state.stored.RemovalInProgress) {
    throw conflict(`removal of container ${container.id} is already in progress`);
  }
  if (state.running && !options.force) throw refuseRunning(container);
  if (state.restarting) cancelRestart(room, container);
  if (state.running) {
    markStopped(room, container);
    // Its own --rm would race with us.
    container.host = { ...container.host, AutoRemove: false };
    await killHard(room, container);
  }
  await container.mailbox.run(async () => {
    if (!room.registry.has(container.id)) return;
    if (state.running) throw refuseRunning(container);
    if (state.stored.RemovalInProgress) {
      throw conflict(`removal of container ${container.id} is already in progress`);
    }
    state.stored.RemovalInProgress = true;
    persist(room, container);
    try {
      await containerAction("delete", () => takeApart(room, container, options.volumes === true));
    } catch (error) {
      state.stored.RemovalInProgress = false;
      state.stored.Dead = true;
      persist(room, container);
      throw error instanceof ApiError
        ? error
        : new ApiError(500, `cannot remove container "${container.name}": ${(error as Error).message}`, {
            cause: error,
          });
    }
  });
}

async function takeApart(room: Room, container: Container, volumes: boolean): Promise<void> {
  const { engine } = room;
  await step("end of the last run", container.released);
  await releaseNetworks(room, container, false);
  const anonymous = volumes ? anonymousVolumes(room, container) : [];
  await removeSnapshot(room, container.id);
  room.execs.containerRemoved(container.id);
  rmSync(container.places.bundle, { recursive: true, force: true });
  unmountSharedShm(container);
  room.disk.remove(container.id);
  room.registry.delete(container);
  container.streams.close();
  await removeAnonymousVolumes(room, anonymous);
  container.state.setRemoved();
  containerEvent(room, container, "destroy");
  log("debug", "container removed", { container: container.id, engine: engine.id });
}

/** Removes what containerd holds of a container that has no task. Fine when there is nothing. */
export async function removeSnapshot(room: Room, id: string): Promise<void> {
  const { engine } = room;
  const unlessMissing = (error: unknown): void => {
    if (!(error instanceof ServiceError) || error.code !== "NotFound") throw error;
  };
  await step("container record", engine.services.containers.delete(engine.namespace, id)).catch(
    unlessMissing,
  );
  await step("snapshot", snapshotterOf(room).remove(engine.namespace, id)).catch(unlessMissing);
}
