import { startContainer } from "../container/start.ts";
import { notifyOf } from "./launching.ts";
import type { Verb } from "./verb.ts";

export const start: Verb = {
  about: "executes the user defined process in a created container",
  usage: "<container-id>",
  flags: {},
  arguments: { min: 1, max: 1 },
  async run({ parsed, store }) {
    const state = store.read(parsed.rest[0]!);
    using ready = (await notifyOf(store, state.id))?.listen();
    await startContainer(store, state);
    ready?.follow(state);
    return 0;
  },
};
