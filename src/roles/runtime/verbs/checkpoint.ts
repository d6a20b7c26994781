import { destroyContainer } from "../container/kill.ts";
import { containerStatus } from "../container/status.ts";
import { dump } from "../criu/checkpoint.ts";
import { criuFlags, directories, sharedOptions } from "../criu/flags.ts";
import { RuntimeError } from "../errors.ts";
import { flag, integer, text, wholeNumber } from "../flags.ts";
import type { Verb } from "./verb.ts";

export const checkpoint: Verb = {
  about: "checkpoint a running container",
  usage: "<container-id>",
  flags: {
    imagePath: { names: ["image-path"], kind: "text", about: "path for saving criu image files" },
    ...criuFlags,
    parentPath: {
      names: ["parent-path"],
      kind: "text",
      about: "path for previous criu image files in pre-dump",
    },
    leaveRunning: {
      names: ["leave-running"],
      kind: "boolean",
      about: "leave the process running after checkpointing",
    },
    lazyPages: {
      names: ["lazy-pages"],
      kind: "boolean",
      about: "use userfaultfd to lazily restore memory pages",
    },
    statusFd: {
      names: ["status-fd"],
      kind: "text",
      about: "criu writes \\0 to this FD once lazy-pages is ready",
      fallback: -1,
      check: wholeNumber,
    },
    pageServer: { names: ["page-server"], kind: "text", about: "ADDRESS:PORT of the page server" },
    preDump: {
      names: ["pre-dump"],
      kind: "boolean",
      about: "dump container's memory information only, leave the container running after this",
    },
  },
  arguments: { min: 1, max: 1 },
  async run({ parsed, store, criu }) {
    const state = store.read(parsed.rest[0]!);
    const status = containerStatus(store, state);
    if (status !== "running" && status !== "paused")
      throw new RuntimeError(`Container cannot be checkpointed in ${status} state`);
    const parent = text(parsed, "parentPath") || undefined;
    if (parent?.startsWith("/"))
      throw new RuntimeError(
        `invalid --parent-path ${JSON.stringify(parent)}: it is relative to --image-path`,
      );
    const leaveRunning = flag(parsed, "leaveRunning");
    const preDump = flag(parsed, "preDump");
    await dump(state, {
      criu,
      directories: directories(parsed, true),
      shared: sharedOptions(parsed),
      leaveRunning,
      preDump,
      parent,
      pageServer: pageServer(text(parsed, "pageServer")),
      statusFd: integer(parsed, "statusFd") ?? -1,
    });
    if (!leaveRunning && !preDump) await destroyContainer(store, state);
    return 0;
  },
};

/** "ADDRESS:PORT". */
function pageServer(word: string | undefined): { address: string; port: number } | undefined {
  if (!word) return undefined;
  const match = /^(.+):(\d+)$/.exec(word);
  if (!match) throw new RuntimeError("Use --page-server ADDRESS:PORT to specify page server");
  return { address: match[1]!.replace(/^\[(.*)\]$/, "$1"), port: Number(match[2]) };
}
