import { log } from "../../../observe/log.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { type Command, type Group, QUIET, UsageError } from "../command.ts";
import { labelArgs, labelsText } from "../format.ts";
import { NARROW, table } from "../table.ts";

const create: Command = {
  names: ["create", "c"],
  about: "create a new namespace",
  use: "<name> [<key>=<value>]",
  async run({ services, args: [name, ...labels] }) {
    if (!name) throw new UsageError("please specify a namespace");
    await (await services()).namespaces.create({ name, labels: labelArgs(labels) });
    return 0;
  },
};

const list: Command = {
  names: ["list", "ls"],
  about: "list namespaces",
  use: "[command options]",
  flags: [QUIET("print only the namespace name")],
  async run({ services, flags, out }) {
    const all = await (await services()).namespaces.list();
    if (flags.boolean("quiet")) out(all.map(({ name }) => `${name}\n`).join(""));
    else out(table([["NAME", "LABELS"], ...all.map((one) => [one.name, labelsText(one.labels)])], NARROW));
    return 0;
  },
};

const remove: Command = {
  names: ["remove", "rm"],
  about: "remove one or more namespaces",
  use: "[command options] <name> [<name>, ...]",
  async run({ services, args, out }) {
    const { namespaces } = await services();
    let failed: Error | undefined;
    for (const name of args) {
      try {
        await namespaces.delete(name);
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        if (error.code !== "NotFound") {
          log("error", `unable to delete ${name}`, { error });
          failed ??= new UsageError(`unable to delete ${name}: ${error.message}`);
          continue;
        }
      }
      out(`${name}\n`);
    }
    if (failed) throw failed;
    return 0;
  },
};

const label: Command = {
  names: ["label"],
  about: "set and clear labels for a namespace",
  use: "<name> [<key>=<value>, ...]",
  async run({ services, args: [name, ...words] }) {
    if (!name) throw new UsageError("please specify a namespace");
    const labels = labelArgs(words);
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    if (paths.length > 0) await (await services()).namespaces.update({ name, labels }, paths);
    return 0;
  },
};

export const namespaces: Group = { about: "manage namespaces", commands: [create, list, remove, label] };
