import { startContainer } from "../container/start.ts";
import type { Verb } from "./verb.ts";

export const start: Verb = {
  about: "executes the user defined process in a created container",
  usage: "<container-id>",
  flags: {},
  arguments: { min: 1, max: 1 },
  async run({ parsed, store }) {
    await startContainer(store, store.read(parsed.rest[0]!));
    return 0;
  },
};
