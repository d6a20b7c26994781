import { setFrozen, waitFrozen } from "../cgroup/container.ts";
import { containerStatus } from "../container/status.ts";
import { RuntimeError } from "../errors.ts";
import type { Verb } from "./verb.ts";

export const pause: Verb = {
  about: "pause suspends all processes inside the container",
  usage: "<container-id>",
  flags: {},
  arguments: { min: 1, max: 1 },
  async run({ parsed, store }) {
    const state = store.read(parsed.rest[0]!);
    const status = containerStatus(store, state);
    if (status !== "running" && status !== "created") throw new RuntimeError("container not running");
    setFrozen(state.cgroup_paths, true);
    try {
      waitFrozen(state.cgroup_paths);
    } catch (error) {
      setFrozen(state.cgroup_paths, false);
      throw error;
    }
    return 0;
  },
};

export const resume: Verb = {
  about: "resumes all processes that have been previously paused",
  usage: "<container-id>",
  flags: {},
  arguments: { min: 1, max: 1 },
  async run({ parsed, store }) {
    const state = store.read(parsed.rest[0]!);
    if (containerStatus(store, state) !== "paused") throw new RuntimeError("container not paused");
    setFrozen(state.cgroup_paths, false);
    return 0;
  },
};
