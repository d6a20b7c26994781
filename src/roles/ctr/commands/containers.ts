import { log } from "../../../observe/log.ts";
import { type ContainerRecord, ServiceError, type Services } from "../../../wire/containerd/services.ts";
import { type Command, type Group, QUIET, UsageError } from "../command.ts";
import { json, labelArgs, labelsText } from "../format.ts";
import { table, WIDE } from "../table.ts";
import { checkpoint, restore } from "./checkpoint.ts";
import { create } from "./run.ts";

const list: Command = {
  names: ["list", "ls"],
  about: "list containers",
  use: "[command options] [flags] [<filter>, ...]",
  flags: [QUIET("print only the container id")],
  async run({ services, ns, flags, args, out }) {
    const all = await (await services()).containers.list(ns, args);
    if (flags.boolean("quiet")) out(all.map(({ id }) => `${id}\n`).join(""));
    else {
      const rows = all.map((one) => [one.id, one.image || "-", one.runtime.name]);
      out(table([["CONTAINER", "IMAGE", "RUNTIME"], ...rows], WIDE));
    }
    return 0;
  },
};

const bytes = (value: Uint8Array) =>
  value.length === 0 ? {} : { value: Buffer.from(value).toString("base64") };

function shown(one: ContainerRecord, spec: unknown): unknown {
  const { options } = one.runtime;
  return {
    ID: one.id,
    Labels: one.labels,
    Image: one.image,
    Runtime: {
      Name: one.runtime.name,
      Options: options ? { type_url: options.typeUrl, ...bytes(options.value) } : null,
    },
    SnapshotKey: one.snapshotKey,
    Snapshotter: one.snapshotter,
    CreatedAt: one.createdAt,
    UpdatedAt: one.updatedAt,
    Extensions:
      Object.keys(one.extensions).length === 0
        ? null
        : Object.fromEntries(
            Object.entries(one.extensions).map(([name, any]) => [
              name,
              { type_url: any.typeUrl, ...bytes(any.value) },
            ]),
          ),
    Spec: spec,
  };
}

const info: Command = {
  names: ["info"],
  about: "get info about a container",
  use: "[command options] CONTAINER",
  flags: [{ name: "spec", kind: "boolean", about: "only display the spec" }],
  async run({ services, ns, flags, args: [id], out }) {
    if (!id) throw new UsageError("container id must be provided: invalid argument");
    const one = await (await services()).containers.get(ns, id);
    const spec: unknown = JSON.parse(new TextDecoder().decode(one.spec.value) || "null");
    out(json(flags.boolean("spec") ? spec : shown(one, spec)));
    return 0;
  },
};

/** A container whose task has not ended is refused; an ended or never started task goes with it. */
async function removeOne({ containers, tasks, snapshots }: Services, ns: string, id: string, keep: boolean) {
  const { snapshotKey, snapshotter } = await containers.get(ns, id);
  try {
    const { status } = await tasks.get(ns, id);
    if (status !== "STOPPED" && status !== "CREATED") {
      throw new UsageError(
        `cannot delete a non stopped container: {${status.toLowerCase()} 0 0001-01-01 00:00:00 +0000 UTC}`,
      );
    }
    await tasks.delete(ns, id);
  } catch (error) {
    if (!(error instanceof ServiceError && error.code === "NotFound")) throw error;
  }
  if (!keep && snapshotKey !== "") {
    await snapshots
      .snapshotter(snapshotter)
      .remove(ns, snapshotKey)
      .catch((error) => {
        if (!(error instanceof ServiceError && error.code === "NotFound")) throw error;
      });
  }
  await containers.delete(ns, id);
}

const remove: Command = {
  names: ["delete", "del", "remove", "rm"],
  about: "delete one or more existing containers",
  use: "[command options] [flags] CONTAINER [CONTAINER, ...]",
  flags: [{ name: "keep-snapshot", kind: "boolean", about: "do not clean up snapshot with container" }],
  async run({ services, ns, flags, args }) {
    if (args.length === 0)
      throw new UsageError("must specify at least one container to delete: invalid argument");
    const all = await services();
    let failed: Error | undefined;
    for (const id of args) {
      try {
        await removeOne(all, ns, id, flags.boolean("keep-snapshot"));
      } catch (error) {
        failed ??= error as Error;
        log("error", `failed to delete container ${JSON.stringify(id)}`, { error });
      }
    }
    if (failed) throw failed;
    return 0;
  },
};

const label: Command = {
  names: ["label"],
  about: "set and clear labels for a container",
  use: "[command options] [flags] CONTAINER [<key>=<value>, ...]",
  async run({ services, ns, args: [id, ...words], out }) {
    if (!id) throw new UsageError("container id must be provided: invalid argument");
    const { containers } = await services();
    const labels = labelArgs(words);
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    const one =
      paths.length === 0 ? await containers.get(ns, id) : await containers.update(ns, { id, labels }, paths);
    out(`${labelsText(one.labels)}\n`);
    return 0;
  },
};

export const containers: Group = {
  about: "manage containers",
  commands: [create, remove, info, list, label, checkpoint, restore],
};
