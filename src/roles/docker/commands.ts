// The table of contents: every verb, its line in the help, and where it lives. A verb is loaded when it is the one asked for.
import type { Command } from "./command.ts";

export interface Entry {
  about: string;
  /** Names that are not listed. */
  also?: readonly string[];
  load: () => Promise<Command>;
  /** Not in the help text. */
  hidden?: boolean;
}

export type Group = Record<string, Entry>;

export const entry = (about: string, load: () => Promise<Command>, also?: readonly string[]): Entry => ({
  about,
  load,
  also,
});

const attach = entry(
  "Attach local standard input, output, and error streams to a running container",
  async () => (await import("./verbs/attach.ts")).attach,
);
const create = entry("Create a new container", async () => (await import("./verbs/create.ts")).create);
const events = entry(
  "Get real time events from the server",
  async () => (await import("./verbs/events.ts")).events,
);
const exec = entry(
  "Execute a command in a running container",
  async () => (await import("./verbs/exec.ts")).exec,
);
const exportVerb = entry(
  "Export a container's filesystem as a tar archive",
  async () => (await import("./verbs/export.ts")).exportContainer,
);
const history = entry(
  "Show the history of an image",
  async () => (await import("./verbs/history.ts")).history,
);
const images = entry("List images", async () => (await import("./verbs/images.ts")).images);
const info = entry("Display system-wide information", async () => (await import("./verbs/info.ts")).info);
const inspect = entry(
  "Return low-level information on Docker objects",
  async () => (await import("./verbs/inspect.ts")).inspect,
);
const kill = entry("Kill one or more running containers", async () => (await import("./verbs/kill.ts")).kill);
const logs = entry("Fetch the logs of a container", async () => (await import("./verbs/logs.ts")).logs);
const pause = entry(
  "Pause all processes within one or more containers",
  async () => (await import("./verbs/pause.ts")).pause,
);
const port = entry(
  "List port mappings or a specific mapping for the container",
  async () => (await import("./verbs/port.ts")).port,
);
const ps = entry("List containers", async () => (await import("./verbs/ps.ts")).ps);
const pull = entry("Download an image from a registry", async () => (await import("./verbs/pull.ts")).pull);
const rename = entry("Rename a container", async () => (await import("./verbs/rename.ts")).rename);
const restart = entry(
  "Restart one or more containers",
  async () => (await import("./verbs/restart.ts")).restart,
);
export const rm = entry("Remove one or more containers", async () => (await import("./verbs/rm.ts")).rm, [
  "remove",
]);
const rmi = entry("Remove one or more images", async () => (await import("./verbs/rmi.ts")).rmi);
const run = entry(
  "Create and run a new container from an image",
  async () => (await import("./verbs/run.ts")).run,
);
const start = entry(
  "Start one or more stopped containers",
  async () => (await import("./verbs/start.ts")).start,
);
const stop = entry("Stop one or more running containers", async () => (await import("./verbs/stop.ts")).stop);
const tag = entry(
  "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
  async () => (await import("./verbs/tag.ts")).tag,
);
const top = entry(
  "Display the running processes of a container",
  async () => (await import("./verbs/top.ts")).top,
);
const unpause = entry(
  "Unpause all processes within one or more containers",
  async () => (await import("./verbs/pause.ts")).unpause,
);
const version = entry(
  "Show the Docker version information",
  async () => (await import("./verbs/version.ts")).versionVerb,
);
const wait = entry(
  "Block until one or more containers stop, then print their exit codes",
  async () => (await import("./verbs/wait.ts")).wait,
);

const build = entry("Build an image from a Dockerfile", async () => (await import("./verbs/build.ts")).build);
const commit = entry(
  "Create a new image from a container's changes",
  async () => (await import("./verbs/commit.ts")).commit,
);
const cp = entry(
  "Copy files/folders between a container and the local filesystem",
  async () => (await import("./verbs/cp.ts")).cp,
);
const diff = entry(
  "Inspect changes to files or directories on a container's filesystem",
  async () => (await import("./verbs/diff.ts")).diff,
);
const importVerb = entry(
  "Import the contents from a tarball to create a filesystem image",
  async () => (await import("./verbs/import.ts")).importImage,
);
const load = entry(
  "Load an image from a tar archive or STDIN",
  async () => (await import("./verbs/load.ts")).load,
);
const login = entry("Authenticate to a registry", async () => (await import("./verbs/login.ts")).login);
const logout = entry("Log out from a registry", async () => (await import("./verbs/logout.ts")).logout);
const push = entry("Upload an image to a registry", async () => (await import("./verbs/push.ts")).push);
const save = entry(
  "Save one or more images to a tar archive (streamed to STDOUT by default)",
  async () => (await import("./verbs/save.ts")).save,
);
const search = entry("Search Docker Hub for images", async () => (await import("./verbs/search.ts")).search);
const stats = entry(
  "Display a live stream of container(s) resource usage statistics",
  async () => (await import("./verbs/stats.ts")).stats,
);
const update = entry(
  "Update configuration of one or more containers",
  async () => (await import("./verbs/update.ts")).update,
);

/** A verb of the table below that lives in a file with others. */
export const pruneEntry = (
  about: string,
  name: "pruneContainers" | "pruneNetworks" | "pruneVolumes" | "pruneImages" | "pruneBuilds",
): Entry => entry(about, async () => (await import("./verbs/prune.ts"))[name]);

/** The verbs most people use, first in the help. */
export const common = {
  run,
  exec,
  ps,
  build,
  pull,
  push,
  images,
  login,
  logout,
  search,
  version,
  info,
} satisfies Group;

export const plain = {
  attach,
  commit,
  cp,
  create,
  diff,
  events,
  export: exportVerb,
  history,
  import: importVerb,
  inspect,
  kill,
  load,
  logs,
  pause,
  port,
  rename,
  restart,
  rm: { ...rm, also: undefined },
  rmi,
  save,
  start,
  stats,
  stop,
  tag,
  top,
  unpause,
  update,
  wait,
} satisfies Group;

export const topLevel: Group = { ...common, ...plain };

/** A verb by any of its names. */
export function find(group: Group, name: string): Entry | undefined {
  if (Object.hasOwn(group, name)) return group[name];
  return Object.values(group).find((one) => one.also?.includes(name));
}
