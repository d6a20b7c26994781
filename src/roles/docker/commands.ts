// The table of contents: every verb, its line in the help, and where it lives. A verb is loaded when it is the one asked for.
import type { Command } from "./command.ts";

export interface Entry {
  about: string;
  /** Names that are not listed. */
  also?: readonly string[];
  load: () => Promise<Command>;
}

export type Group = Record<string, Entry>;

export interface GroupEntry {
  about: string;
  commands: Group;
}

const entry = (about: string, load: () => Promise<Command>, also?: readonly string[]): Entry => ({
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
const rm = entry("Remove one or more containers", async () => (await import("./verbs/rm.ts")).rm, ["remove"]);
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

/** The verbs most people use, first in the help. */
export const common: Group = { run, exec, ps, pull, images, version, info };

export const plain: Group = {
  attach,
  create,
  events,
  export: exportVerb,
  history,
  inspect,
  kill,
  logs,
  pause,
  port,
  rename,
  restart,
  rm: { ...rm, also: undefined },
  rmi,
  start,
  stop,
  tag,
  top,
  unpause,
  wait,
};

export const groups: Record<string, GroupEntry> = {
  container: {
    about: "Manage containers",
    commands: {
      attach,
      create,
      exec,
      export: exportVerb,
      inspect: entry(
        "Display detailed information on one or more containers",
        async () => (await import("./verbs/inspect.ts")).inspectContainer,
      ),
      kill,
      logs,
      ls: { ...ps, also: ["list", "ps"] },
      pause,
      port,
      rename,
      restart,
      rm,
      run,
      start,
      stop,
      top,
      unpause,
      wait,
    },
  },
  image: {
    about: "Manage images",
    commands: {
      history,
      inspect: entry(
        "Display detailed information on one or more images",
        async () => (await import("./verbs/inspect.ts")).inspectImage,
      ),
      ls: { ...images, also: ["list"] },
      pull,
      rm: { ...rmi, also: ["remove"] },
      tag,
    },
  },
  network: {
    about: "Manage networks",
    commands: {
      connect: entry(
        "Connect a container to a network",
        async () => (await import("./verbs/network-connect.ts")).connect,
      ),
      create: entry(
        "Create a network",
        async () => (await import("./verbs/network-create.ts")).createNetwork,
      ),
      disconnect: entry(
        "Disconnect a container from a network",
        async () => (await import("./verbs/network-connect.ts")).disconnect,
      ),
      explain: entry(
        "Tell who can reach containers and their published ports, and by which rule",
        async () => (await import("./verbs/network-explain.ts")).explainNetworks,
      ),
      inspect: entry(
        "Display detailed information on one or more networks",
        async () => (await import("./verbs/inspect.ts")).inspectNetwork,
      ),
      ls: entry("List networks", async () => (await import("./verbs/network-ls.ts")).listNetworks, ["list"]),
      rm: entry(
        "Remove one or more networks",
        async () => (await import("./verbs/network-rm.ts")).removeNetworks,
        ["remove"],
      ),
    },
  },
  system: { about: "Manage Docker", commands: { events, info } },
  volume: {
    about: "Manage volumes",
    commands: {
      create: entry("Create a volume", async () => (await import("./verbs/volume-create.ts")).createVolume),
      inspect: entry(
        "Display detailed information on one or more volumes",
        async () => (await import("./verbs/inspect.ts")).inspectVolume,
      ),
      ls: entry("List volumes", async () => (await import("./verbs/volume-ls.ts")).listVolumes, ["list"]),
      rm: entry(
        "Remove one or more volumes",
        async () => (await import("./verbs/volume-rm.ts")).removeVolumes,
        ["remove"],
      ),
    },
  },
};

export const topLevel: Group = { ...common, ...plain };

/** A verb by any of its names. */
export function find(group: Group, name: string): Entry | undefined {
  if (Object.hasOwn(group, name)) return group[name];
  return Object.values(group).find((one) => one.also?.includes(name));
}
