// POST /containers/{id}/pause and /unpause: the freezer.
import { conflict } from "../errors.ts";
import { stopWatching, watchHealth } from "../health/monitor.ts";
import type { Container } from "./container.ts";
import { notRunning, onLiveTask } from "./kill.ts";
import { step } from "./mailbox.ts";
import { containerEvent, persist, type Room } from "./room.ts";

export function pauseContainer(room: Room, container: Container): Promise<void> {
  return container.mailbox.run(async () => {
    const { state } = container;
    if (!state.running) throw notRunning(container);
    if (state.paused) throw conflict(`Container ${container.id} is already paused`);
    if (state.restarting) {
      throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
    }
    await onLiveTask(
      container,
      step("pause", room.engine.services.tasks.pause(room.engine.namespace, container.id)),
    );
    state.stored.Paused = true;
    stopWatching(container);
    persist(room, container);
    containerEvent(room, container, "pause");
  });
}

export function unpauseContainer(room: Room, container: Container): Promise<void> {
  return container.mailbox.run(async () => {
    const { state } = container;
    if (!state.paused) throw conflict(`Container ${container.id} is not paused`);
    await onLiveTask(
      container,
      step("unpause", room.engine.services.tasks.resume(room.engine.namespace, container.id)),
    );
    state.stored.Paused = false;
    watchHealth(room, container, { resumed: true });
    persist(room, container);
    containerEvent(room, container, "unpause");
  });
}
