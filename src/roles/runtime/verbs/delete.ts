import { destroyContainer, killAndWait } from "../container/kill.ts";
import { containerStatus } from "../container/status.ts";
import { notExist, RuntimeError } from "../errors.ts";
import { flag } from "../flags.ts";
import type { Verb } from "./verb.ts";

export const remove: Verb = {
  about: "delete any resources held by the container often used with detached container",
  usage: "<container-id>",
  flags: {
    force: {
      names: ["force", "f"],
      kind: "boolean",
      about: "Forcibly deletes the container if it is still running (uses SIGKILL)",
    },
  },
  arguments: { min: 1, max: 1 },
  async run({ parsed, store }) {
    const id = parsed.rest[0]!;
    const force = flag(parsed, "force");
    let state: ReturnType<typeof store.read>;
    try {
      state = store.read(id);
    } catch (error) {
      // Claimed, but killed before its first write: nothing else can exist yet.
      if (store.claimed(id)) store.remove(id);
      if (force && (error as Error).message === notExist().message) return 0;
      throw error;
    }
    const status = containerStatus(store, state);
    if (status === "running" || status === "paused" || status === "creating") {
      if (!force) throw new RuntimeError(`cannot delete container ${id} that is not stopped: ${status}`);
    }
    if (status !== "stopped") killAndWait(state);
    await destroyContainer(store, state);
    return 0;
  },
};
