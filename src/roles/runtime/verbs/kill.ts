import { signalContainer, signalNumber } from "../container/kill.ts";
import { containerStatus } from "../container/status.ts";
import { notRunning } from "../errors.ts";
import { flag } from "../flags.ts";
import type { Verb } from "./verb.ts";

export const kill: Verb = {
  about: "kill sends the specified signal (default: SIGTERM) to the container's init process",
  usage: "<container-id> [signal]",
  flags: {
    all: {
      names: ["all", "a"],
      kind: "boolean",
      about: "send the specified signal to all processes inside the container",
    },
  },
  arguments: { min: 1, max: 2 },
  async run({ parsed, store }) {
    const state = store.read(parsed.rest[0]!);
    const signal = signalNumber(parsed.rest[1] ?? "SIGTERM");
    const all = flag(parsed, "all");
    // With --all, what is left of a stopped container in a shared pid namespace can still be reached.
    if (containerStatus(store, state) === "stopped" && !all) throw notRunning();
    signalContainer(state, signal, all);
    return 0;
  },
};
