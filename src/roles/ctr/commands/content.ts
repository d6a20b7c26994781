import { log } from "../../../observe/log.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { type Command, type Group, QUIET, UsageError } from "../command.ts";
import { decimalSize, humanDuration, labelArgs, labelsText } from "../format.ts";
import { writeOut } from "../output.ts";
import { TABBED, table } from "../table.ts";
import { edit, prune } from "./content-edit.ts";
import { fetch, fetchObject, pushObject } from "./content-remote.ts";

const list: Command = {
  names: ["list", "ls"],
  about: "list all blobs in the store",
  use: "[command options] [flags]",
  flags: [QUIET("print only the blob digest")],
  async run({ services, ns, flags, args, out }) {
    const all = await (await services()).content.list(ns, args);
    if (flags.boolean("quiet")) {
      out(all.map(({ digest }) => `${digest}\n`).join(""));
      return 0;
    }
    const now = Date.now();
    const rows = all.map((one) => [
      one.digest,
      decimalSize(one.size),
      humanDuration(now - one.createdAt.getTime()),
      labelsText(one.labels, "-"),
    ]);
    out(table([["DIGEST", "SIZE", "AGE", "LABELS"], ...rows], TABBED, "none"));
    return 0;
  },
};

const get: Command = {
  names: ["get"],
  about: "get the data for an object",
  use: "[<digest>, ...]",
  async run({ services, ns, args: [digest] }) {
    if (!digest) throw new UsageError("please provide a digest");
    for await (const chunk of (await services()).content.read(ns, digest)) await writeOut(chunk);
    return 0;
  },
};

const remove: Command = {
  names: ["delete", "del", "remove", "rm"],
  about: "permanently delete one or more blobs",
  use: "[<digest>, ...]",
  async run({ services, ns, args, out }) {
    const { content } = await services();
    let failed: Error | undefined;
    for (const digest of args) {
      try {
        await content.delete(ns, digest);
        out(`${digest}\n`);
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        if (error.code !== "NotFound") failed ??= error;
        log("error", `failed to delete ${JSON.stringify(digest)}`, { error });
      }
    }
    if (failed) throw failed;
    return 0;
  },
};

const ingest: Command = {
  names: ["ingest"],
  about: "accept content into the store",
  use: "[command options] [flags] <key>",
  flags: [
    { name: "expected-size", kind: "number", about: "validate against provided size" },
    { name: "expected-digest", kind: "string", about: "verify content against expected digest" },
  ],
  async run({ services, ns, flags, args: [ref] }) {
    if (!ref) throw new UsageError("must specify a transaction reference");
    const total = flags.number("expected-size");
    const expected = flags.string("expected-digest");
    const writer = await (await services()).content.writer(ns, ref, { total, expected });
    try {
      // What an earlier try left is written anew: stdin begins at its beginning.
      if (writer.status().offset > 0) await writer.truncate(0);
      for await (const chunk of Bun.stdin.stream()) await writer.write(chunk);
      await writer.commit(total, expected === "" ? undefined : expected);
    } finally {
      await writer.close();
    }
    return 0;
  },
};

const active: Command = {
  names: ["active"],
  about: "display active transfers",
  use: "[<regexp>]",
  async run({ services, ns, args: [match], out }) {
    const filters = match ? [`ref~=${JSON.stringify(match)}`] : [];
    const all = await (await services()).content.statuses(ns, filters);
    const now = Date.now();
    const rows = all.map(({ ref, offset, updatedAt }) => [
      ref,
      decimalSize(offset),
      humanDuration(now - updatedAt.getTime()),
    ]);
    out(table([["REF", "SIZE", "AGE"], ...rows], TABBED, "header"));
    return 0;
  },
};

const label: Command = {
  names: ["label"],
  about: "add labels to content",
  use: "<digest> [<label>=<value> ...]",
  async run({ services, ns, args: [digest, ...words], out }) {
    if (!digest) throw new UsageError("please provide a digest");
    const { content } = await services();
    const labels = labelArgs(words);
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    const info =
      paths.length === 0
        ? await content.info(ns, digest)
        : await content.update(ns, { digest, labels }, paths);
    out(`${labelsText(info.labels)}\n`);
    return 0;
  },
};

export const content: Group = {
  about: "manage content",
  commands: [active, remove, edit, fetch, fetchObject, get, ingest, list, pushObject, label, prune],
};
