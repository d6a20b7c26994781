import type { Mount, SnapshotInfo } from "../../../wire/containerd/services.ts";
import { type Command, type Group, type Invocation, SNAPSHOTTER, UsageError } from "../command.ts";
import { binarySize, json, labelArgs, labelsText } from "../format.ts";
import { NARROW, table } from "../table.ts";
import { diff, unpack } from "./snapshot-diff.ts";

const snapshotter = async ({ services, flags }: Pick<Invocation, "services" | "flags">) =>
  (await services()).snapshots.snapshotter(flags.string("snapshotter"));

/** The mount(8) commands for what a snapshotter hands out. */
const mountLines = (mounts: readonly Mount[], target: string): string =>
  mounts
    .map(({ type, source, options }) => `mount -t ${type} ${source} ${target} -o ${options.join(",")}\n`)
    .join("");

const list: Command = {
  names: ["list", "ls"],
  about: "list snapshots",
  use: "",
  async run(invocation) {
    const all = await (await snapshotter(invocation)).list(invocation.ns, invocation.args);
    const rows = all.map(({ name, parent, kind }) => [name, parent, kind]);
    invocation.out(table([["KEY", "PARENT", "KIND"], ...rows], NARROW));
    return 0;
  },
};

const info: Command = {
  names: ["info"],
  about: "get info about a snapshot",
  use: "<key>",
  async run(invocation) {
    const [key] = invocation.args;
    if (!key) throw new UsageError("please provide a snapshot key");
    const one = await (await snapshotter(invocation)).stat(invocation.ns, key);
    invocation.out(
      json({
        Kind: one.kind,
        Name: one.name,
        ...(one.parent === "" ? {} : { Parent: one.parent }),
        ...(Object.keys(one.labels).length > 0 ? { Labels: one.labels } : {}),
        Created: one.createdAt,
        Updated: one.updatedAt,
      }),
    );
    return 0;
  },
};

const usage: Command = {
  names: ["usage"],
  about: "usage snapshots",
  use: "[command options] [flags] [<key>, ...]",
  flags: [{ name: "b", kind: "boolean", about: "display size in bytes" }],
  async run(invocation) {
    const { ns, args, flags, out } = invocation;
    const from = await snapshotter(invocation);
    const keys = args.length > 0 ? args : (await from.list(ns)).map(({ name }) => name);
    const rows: string[][] = [];
    for (const key of keys) {
      const { size, inodes } = await from.usage(ns, key);
      rows.push([key, flags.boolean("b") ? `${size}` : binarySize(size), `${inodes}`]);
    }
    out(table([["KEY", "SIZE", "INODES"], ...rows], NARROW));
    return 0;
  },
};

const mounts: Command = {
  names: ["mounts", "m", "mount"],
  about: "mount gets mount commands for the snapshots",
  use: "<target> <key>",
  async run(invocation) {
    const [target, key] = invocation.args;
    if (!target || !key) throw new UsageError("please provide a mount target and a snapshot key");
    invocation.out(mountLines(await (await snapshotter(invocation)).mounts(invocation.ns, key), target));
    return 0;
  },
};

/** `prepare` and `view`. */
function making(verb: "prepare" | "view", about: string): Command {
  return {
    names: [verb],
    about,
    use: "[command options] [flags] <key> [<parent>]",
    flags: [
      {
        name: "target",
        aliases: ["t"],
        kind: "string",
        about: "mount target path, will print mount, if provided",
      },
      { name: "mounts", kind: "boolean", about: "Print out snapshot mounts as JSON" },
    ],
    async run(invocation) {
      const { ns, flags, out } = invocation;
      const [key, parent = ""] = invocation.args;
      if (!key) throw new UsageError("please provide a snapshot key");
      const from = await snapshotter(invocation);
      // As ctr does: made by hand, so kept until it is removed by hand.
      const labels = { "containerd.io/gc.root": new Date().toISOString() };
      const made = await from[verb](ns, key, parent, labels);
      if (flags.string("target") !== "") out(mountLines(made, flags.string("target")));
      if (flags.boolean("mounts")) {
        out(
          json(
            made.map(({ type, source, target = "", options }) => ({
              Type: type,
              Source: source,
              Target: target,
              Options: options,
            })),
          ),
        );
      }
      return 0;
    },
  };
}

const commit: Command = {
  names: ["commit"],
  about: "commit an active snapshot into the provided name",
  use: "<key> <active>",
  async run(invocation) {
    const [name, active] = invocation.args;
    if (!name || !active) throw new UsageError("please provide a name and the key of an active snapshot");
    const labels = { "containerd.io/gc.root": new Date().toISOString() };
    await (await snapshotter(invocation)).commit(invocation.ns, name, active, labels);
    return 0;
  },
};

const remove: Command = {
  names: ["delete", "del", "remove", "rm"],
  about: "remove snapshots",
  use: "<key> [<key>, ...]",
  async run(invocation) {
    const from = await snapshotter(invocation);
    if (invocation.args.length === 0) throw new UsageError("please provide a snapshot key");
    for (const key of invocation.args) {
      try {
        await from.remove(invocation.ns, key);
      } catch (error) {
        throw new UsageError(`failed to remove ${JSON.stringify(key)}: ${(error as Error).message}`);
      }
    }
    return 0;
  },
};

const label: Command = {
  names: ["label"],
  about: "add labels to content",
  use: "<name> [<label>=<value> ...]",
  async run(invocation) {
    const [name, ...words] = invocation.args;
    if (!name) throw new UsageError("please provide a snapshot key");
    const from = await snapshotter(invocation);
    const labels = labelArgs(words);
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    const one =
      paths.length === 0
        ? await from.stat(invocation.ns, name)
        : await from.update(invocation.ns, { name, labels }, paths);
    invocation.out(`${labelsText(one.labels)}\n`);
    return 0;
  },
};

const tree: Command = {
  names: ["tree"],
  about: "display tree view of snapshot branches",
  use: "",
  async run(invocation) {
    const all = await (await snapshotter(invocation)).list(invocation.ns);
    const below = Map.groupBy(all, ({ parent }) => parent);
    const print = (one: SnapshotInfo, depth: number) => {
      invocation.out(depth === 0 ? ` ${one.name}\n` : `${"    ".repeat(depth - 1)}  \\_ ${one.name}\n`);
      for (const child of below.get(one.name) ?? []) print(child, depth + 1);
    };
    for (const root of below.get("") ?? []) print(root, 0);
    return 0;
  },
};

export const snapshots: Group = {
  about: "manage snapshots",
  flags: [SNAPSHOTTER],
  commands: [
    commit,
    diff,
    info,
    list,
    mounts,
    making("prepare", "prepare a snapshot from a committed snapshot"),
    remove,
    label,
    tree,
    unpack,
    usage,
    making("view", "create a read-only snapshot from a committed snapshot"),
  ],
};
