// ctr's table of contents. Each group is loaded when it is asked for.
import type { Command, Group } from "./command.ts";

interface Entry<T> {
  names: readonly string[];
  about: string;
  load(): Promise<T>;
}

export const groups: readonly Entry<Group>[] = [
  {
    names: ["plugins", "plugin"],
    about: "provides information about containerd plugins",
    load: async () => (await import("./commands/plugins.ts")).plugins,
  },
  {
    names: ["containers", "c", "container"],
    about: "manage containers",
    load: async () => (await import("./commands/containers.ts")).containers,
  },
  {
    names: ["content"],
    about: "manage content",
    load: async () => (await import("./commands/content.ts")).content,
  },
  {
    names: ["images", "image", "i"],
    about: "manage images",
    load: async () => (await import("./commands/images.ts")).images,
  },
  {
    names: ["leases"],
    about: "manage leases",
    load: async () => (await import("./commands/leases.ts")).leases,
  },
  {
    names: ["namespaces", "namespace", "ns"],
    about: "manage namespaces",
    load: async () => (await import("./commands/namespaces.ts")).namespaces,
  },
  {
    names: ["oci"],
    about: "OCI tools",
    load: async () => (await import("./commands/oci.ts")).oci,
  },
  {
    names: ["shim"],
    about: "interact with a shim directly",
    load: async () => (await import("./commands/shim.ts")).shim,
  },
  {
    names: ["snapshots", "snapshot"],
    about: "manage snapshots",
    load: async () => (await import("./commands/snapshots.ts")).snapshots,
  },
  {
    names: ["tasks", "t", "task"],
    about: "manage tasks",
    load: async () => (await import("./commands/tasks.ts")).tasks,
  },
];

export const singles: readonly Entry<Command>[] = [
  {
    names: ["info"],
    about: "print the server info",
    load: async () => (await import("./commands/info.ts")).info,
  },
  {
    names: ["run"],
    about: "run a container",
    load: async () => (await import("./commands/run.ts")).run,
  },
  {
    names: ["version"],
    about: "print the client and server versions",
    load: async () => (await import("./commands/version.ts")).versionCommand,
  },
  {
    names: ["events", "event"],
    about: "display containerd events",
    load: async () => (await import("./commands/events.ts")).events,
  },
];
