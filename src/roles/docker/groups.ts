// The commands with a second word: `docker container ls`.
import { common, entry, type Group, plain, pruneEntry, rm } from "./commands.ts";

export interface GroupEntry {
  about: string;
  /** Not in the help text. */
  hidden?: boolean;
  commands: Group;
}

const { build, exec, images, info, ps, pull, push, run } = common;
const {
  attach,
  commit,
  cp,
  create,
  diff,
  events,
  export: exportVerb,
  history,
  import: importVerb,
  kill,
  load,
  logs,
  pause,
} = plain;
const { port, rename, restart, rmi, save, start, stats, stop, tag, top, unpause, update, wait } = plain;

export const groups: Record<string, GroupEntry> = {
  builder: {
    about: "Manage builds",
    commands: { build, prune: pruneEntry("Remove build cache", "pruneBuilds") },
  },
  checkpoint: {
    about: "Manage checkpoints",
    commands: {
      create: entry(
        "Create a checkpoint from a running container",
        async () => (await import("./verbs/checkpoint.ts")).createCheckpoint,
      ),
      ls: entry(
        "List checkpoints for a container",
        async () => (await import("./verbs/checkpoint.ts")).listCheckpoints,
        ["list"],
      ),
      rm: entry("Remove a checkpoint", async () => (await import("./verbs/checkpoint.ts")).removeCheckpoint, [
        "remove",
      ]),
    },
  },
  container: {
    about: "Manage containers",
    commands: {
      attach,
      commit,
      cp,
      create,
      diff,
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
      prune: pruneEntry("Remove all stopped containers", "pruneContainers"),
      rename,
      restart,
      rm,
      run,
      start,
      stats,
      stop,
      top,
      unpause,
      update,
      wait,
    },
  },
  completion: {
    about: "Generate the autocompletion script for the specified shell",
    hidden: true,
    commands: Object.fromEntries(
      (["bash", "fish", "powershell", "zsh"] as const).map((shell) => [
        shell,
        entry(
          `Generate the autocompletion script for ${shell}`,
          async () => (await import("./verbs/completion.ts")).completions[shell],
        ),
      ]),
    ),
  },
  context: {
    about: "Manage contexts",
    commands: {
      create: entry(
        "Create a context",
        async () => (await import("./verbs/context-create.ts")).createContext,
      ),
      export: entry(
        "Export a context to a tar archive FILE or a tar stream on STDOUT.",
        async () => (await import("./verbs/context-transfer.ts")).exportContext,
      ),
      import: entry(
        "Import a context from a tar or zip file",
        async () => (await import("./verbs/context-transfer.ts")).importContext,
      ),
      inspect: entry(
        "Display detailed information on one or more contexts",
        async () => (await import("./verbs/context-inspect.ts")).inspectContexts,
      ),
      ls: entry("List contexts", async () => (await import("./verbs/context-ls.ts")).listContexts, ["list"]),
      rm: entry(
        "Remove one or more contexts",
        async () => (await import("./verbs/context-use.ts")).removeContexts,
        ["remove"],
      ),
      show: entry(
        "Print the name of the current context",
        async () => (await import("./verbs/context-use.ts")).showContext,
      ),
      update: entry(
        "Update a context",
        async () => (await import("./verbs/context-create.ts")).updateContext,
      ),
      use: entry(
        "Set the current docker context",
        async () => (await import("./verbs/context-use.ts")).useContext,
      ),
    },
  },
  image: {
    about: "Manage images",
    commands: {
      build,
      history,
      import: importVerb,
      inspect: entry(
        "Display detailed information on one or more images",
        async () => (await import("./verbs/inspect.ts")).inspectImage,
      ),
      load,
      ls: { ...images, also: ["list"] },
      prune: pruneEntry("Remove unused images", "pruneImages"),
      pull,
      push,
      rm: { ...rmi, also: ["remove"] },
      save,
      tag,
    },
  },
  manifest: {
    about: "Manage Docker image manifests and manifest lists",
    commands: {
      annotate: entry(
        "Add additional information to a local image manifest",
        async () => (await import("./verbs/manifest-annotate.ts")).annotateManifest,
      ),
      create: entry(
        "Create a local manifest list for annotating and pushing to a registry",
        async () => (await import("./verbs/manifest-create.ts")).createManifestList,
      ),
      inspect: entry(
        "Display an image manifest, or manifest list",
        async () => (await import("./verbs/manifest-inspect.ts")).inspectManifest,
      ),
      push: entry(
        "Push a manifest list to a repository",
        async () => (await import("./verbs/manifest-push.ts")).pushManifestList,
      ),
      rm: entry(
        "Delete one or more manifest lists from local storage",
        async () => (await import("./verbs/manifest-rm.ts")).removeManifestLists,
      ),
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
      prune: pruneEntry("Remove all unused networks", "pruneNetworks"),
      rm: entry(
        "Remove one or more networks",
        async () => (await import("./verbs/network-rm.ts")).removeNetworks,
        ["remove"],
      ),
    },
  },
  system: {
    about: "Manage Docker",
    commands: {
      df: entry("Show docker disk usage", async () => (await import("./verbs/system-df.ts")).systemDf),
      "dial-stdio": {
        ...entry(
          "Proxy the stdio stream to the daemon connection",
          async () => (await import("./verbs/dial-stdio.ts")).dialStdio,
        ),
        hidden: true,
      },
      events,
      info,
      prune: entry("Remove unused data", async () => (await import("./verbs/system-prune.ts")).systemPrune),
    },
  },
  volume: {
    about: "Manage volumes",
    commands: {
      create: entry("Create a volume", async () => (await import("./verbs/volume-create.ts")).createVolume),
      inspect: entry(
        "Display detailed information on one or more volumes",
        async () => (await import("./verbs/inspect.ts")).inspectVolume,
      ),
      ls: entry("List volumes", async () => (await import("./verbs/volume-ls.ts")).listVolumes, ["list"]),
      prune: pruneEntry("Remove unused local volumes", "pruneVolumes"),
      rm: entry(
        "Remove one or more volumes",
        async () => (await import("./verbs/volume-rm.ts")).removeVolumes,
        ["remove"],
      ),
      update: entry(
        "Update a volume (cluster volumes only)",
        async () => (await import("./verbs/volume-update.ts")).updateVolume,
      ),
    },
  },
};
