// Blobs are never changed: an edited one is a new one, and pruning takes labels away, not bytes.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { log } from "../../../observe/log.ts";
import { type Command, UsageError } from "../command.ts";
import { rfc3339 } from "../format.ts";

/** Labels from a manifest to its layers; the older spelling has the bare number, 0 being the config. */
const isLayerLabel = (key: string) => /^containerd\.io\/gc\.ref\.content\.(l\.|(?!0$)\d+$)/.test(key);

const references: Command = {
  names: ["references"],
  about: "prunes preference labels from the content store (layers only by default)",
  use: "[command options]",
  flags: [
    { name: "async", kind: "boolean", about: "allow garbage collection to cleanup asynchronously" },
    { name: "dry", kind: "boolean", about: "just show updates without applying (enables debug logging)" },
  ],
  async run({ services, ns, flags }) {
    const { content, leases } = await services();
    const dry = flags.boolean("dry");
    for (const { digest, labels } of await content.list(ns)) {
      const gone = Object.keys(labels).filter(isLayerLabel);
      if (gone.length === 0) continue;
      if (dry) {
        for (const label of gone) log("info", "Removing label", { digest, label });
        continue;
      }
      const none = Object.fromEntries(gone.map((label) => [label, ""]));
      await content.update(
        ns,
        { digest, labels: none },
        gone.map((label) => `labels.${label}`),
      );
    }
    // The end of a lease is what sets the collector going, and waits for it.
    const expires = rfc3339(new Date(Date.now() + 60 * 60 * 1000));
    const { id } = await leases.create(ns, "", { "containerd.io/gc.expire": expires });
    await leases.delete(ns, id, { sync: !flags.boolean("async") });
    return 0;
  },
};

export const prune: Command = {
  names: ["prune"],
  about: "prunes content from the content store",
  use: "references [command options]",
  flags: references.flags,
  async run(invocation) {
    const [verb, ...args] = invocation.args;
    if (verb !== "references") throw new UsageError("what to prune? references");
    const { parseFlags } = await import("../flags.ts");
    const parsed = parseFlags(references.flags ?? [], args, invocation.flags);
    return references.run({ ...invocation, flags: parsed.flags, args: parsed.args });
  },
};

export const edit: Command = {
  names: ["edit"],
  about: "edit a blob and return a new digest",
  use: "[command options] [flags] <digest>",
  flags: [
    {
      name: "validate",
      kind: "string",
      about: "validate the result against a format (json, mediatype, etc.)",
    },
    {
      name: "editor",
      kind: "string",
      about: "select editor (vim, emacs, etc.)",
      environment: "EDITOR",
    },
  ],
  async run({ services, ns, flags, args: [digest], out }) {
    if (flags.string("validate") !== "") throw new UsageError("validating the edit result not supported");
    if (!digest) throw new UsageError("please provide a digest");
    const { content } = await services();
    const parts: Uint8Array[] = [];
    for await (const part of content.read(ns, digest)) parts.push(part);
    const directory = mkdtempSync(join(tmpdir(), "ctr-edit-"));
    try {
      const path = join(directory, "blob");
      writeFileSync(path, Buffer.concat(parts));
      const editor = flags.string("editor") || "vi";
      const { status, error } = spawnSync("sh", ["-c", `${editor} "$0"`, path], { stdio: "inherit" });
      if (error || status !== 0) throw new UsageError(`${editor}: exit status ${status ?? error?.message}`);
      const edited = readFileSync(path);
      const writer = await content.writer(ns, `edit-${crypto.randomUUID()}`, { total: edited.length });
      try {
        await writer.write(edited);
        out(`${(await writer.commit(edited.length, undefined)).digest}\n`);
      } finally {
        await writer.close();
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    return 0;
  },
};
