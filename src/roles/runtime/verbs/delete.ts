import { destroyContainer, killAndWait } from "../container/kill.ts";
import { containerStatus } from "../container/status.ts";
import { notExist, RuntimeError } from "../errors.ts";
import { flag } from "../flags.ts";
import type { Invocation, Verb } from "./verb.ts";

export const remove: Verb = {
  about: "delete any resources held by the container often used with detached container",
  usage: "<container-id>",
  flags: {
    force: {
      names: ["force", "f"],
      kind: "boolean",
      about: "Forcibly deletes the container if it is still running (uses SIGKILL)",
    },
    regex: {
      names: ["regex"],
      kind: "boolean",
      about:
        "deletes every container whose id fits the regular expression given in place of an id, as crun does",
    },
  },
  arguments: { min: 1, max: 1 },
  async run({ parsed, store }) {
    const word = parsed.rest[0]!;
    const force = flag(parsed, "force");
    if (!flag(parsed, "regex")) return removeOne(store, word, force);
    const pattern = expression(word);
    for (const id of store.list()) if (pattern.test(id)) await removeOne(store, id, force);
    return 0;
  },
};

function expression(word: string): RegExp {
  try {
    return new RegExp(word);
  } catch (error) {
    throw new RuntimeError(`invalid regular expression ${JSON.stringify(word)}: ${(error as Error).message}`);
  }
}

async function removeOne(store: Invocation["store"], id: string, force: boolean): Promise<number> {
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
}
