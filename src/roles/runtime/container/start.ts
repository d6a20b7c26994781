// start: the byte that the container's first process waits for, with the hooks around it.
import { write } from "../../../../ffi/file.ts";
import { isAlive } from "../../../../ffi/process.ts";
import { RuntimeError } from "../errors.ts";
import { runHooks } from "./hooks.ts";
import { destroyContainer, killAndWait } from "./kill.ts";
import { runPoststart } from "./poststart.ts";
import type { ContainerState, StateStore } from "./state.ts";
import { openStartFifo, stateDocument } from "./status.ts";

/** Lets a created container's program begin. Throws in runc's words. */
export async function startContainer(store: StateStore, state: ContainerState): Promise<void> {
  if (!isAlive(state.init_process_pid, state.init_process_start))
    throw new RuntimeError("cannot start a container that has stopped");
  if (!state.ready) throw new RuntimeError("cannot start a container that is still being created");
  using fifo = openStartFifo(store.startFifo(state.id));
  if (!fifo) throw new RuntimeError("cannot start an already running container");
  const { hooks } = state.config;
  try {
    await runHooks("startContainer", hooks?.startContainer, stateDocument(state, "created"), state);
    write(fifo, new Uint8Array([0]));
    // Nobody waits any more, though the launcher may hold it open for a moment: from here on the container is running.
    store.removeStartFifo(state.id);
    await runPoststart(state);
  } catch (error) {
    // runtime.md#lifecycle: the container is stopped, and goes on with poststop.
    killAndWait(state);
    await destroyContainer(store, state);
    throw error;
  }
}
