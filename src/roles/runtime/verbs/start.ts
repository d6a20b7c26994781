import { write } from "../../../../ffi/file.ts";
import { removeAll } from "../../../../ffi/path.ts";
import { isAlive } from "../../../../ffi/process-table.ts";
import { runHooks } from "../container/hooks.ts";
import { destroyContainer, killAndWait } from "../container/kill.ts";
import { runPoststart } from "../container/poststart.ts";
import { openStartFifo, stateDocument } from "../container/status.ts";
import { RuntimeError } from "../errors.ts";
import type { Verb } from "./verb.ts";

export const start: Verb = {
  about: "executes the user defined process in a created container",
  usage: "<container-id>",
  flags: {},
  arguments: { min: 1, max: 1 },
  async run({ parsed, store }) {
    const state = store.read(parsed.rest[0]!);
    if (!isAlive(state.init_process_pid, state.init_process_start))
      throw new RuntimeError("cannot start a container that has stopped");
    if (!state.ready) throw new RuntimeError("cannot start a container that is still being created");
    const path = store.startFifo(state.id);
    using fifo = openStartFifo(path);
    if (!fifo) throw new RuntimeError("cannot start an already running container");
    const { hooks } = state.config;
    try {
      await runHooks("startContainer", hooks?.startContainer, stateDocument(state, "created"), state);
      write(fifo, new Uint8Array([0]));
      // Nobody waits any more, though the launcher may hold it open for a moment: from here on the container is running.
      removeAll(path);
      await runPoststart(state);
    } catch (error) {
      // runtime.md#lifecycle: the container is stopped, and goes on with poststop.
      killAndWait(state);
      await destroyContainer(store, state);
      throw error;
    }
    return 0;
  },
};
