// `docker context export` and `import`: a tar with meta.json and the TLS files.

import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { isatty } from "../../../../ffi/terminal.ts";
import { END, encodeHeader, paddingOf } from "../../../store/tar/encode.ts";
import type { TarEntry } from "../../../store/tar/entry.ts";
import { TarReader } from "../../../store/tar/reader.ts";
import type { Command } from "../command.ts";
import { type ContextMetadata, checkContextName } from "../config/contexts.ts";
import { openError } from "../errors.ts";
import { fileChunks } from "../session/upload.ts";
import { write } from "../stdio/output.ts";
import { checkFree } from "./context-create.ts";

const LIMIT = 10 << 20;

function member(name: string, mode: number, bytes?: Uint8Array): Uint8Array {
  const entry: TarEntry = {
    name,
    type: bytes ? "file" : "directory",
    mode,
    uid: 0,
    gid: 0,
    size: bytes?.length ?? 0,
    mtime: { seconds: 0, nanoseconds: 0 },
    linkName: "",
    devMajor: 0,
    devMinor: 0,
    attributes: new Map(),
  };
  return Buffer.concat([
    encodeHeader(entry),
    ...(bytes ? [bytes, new Uint8Array(paddingOf(bytes.length))] : []),
  ]);
}

export const exportContext: Command = {
  use: "[OPTIONS] CONTEXT [FILE|-]",
  short: "Export a context to a tar archive FILE or a tar stream on STDOUT.",
  flags: [],
  args: { min: 1, max: 2 },
  anyAddress: true,
  async run({ cli, args }) {
    const [name = "", target = `${name}.dockercontext`] = args;
    if (name !== "default") checkContextName(name);
    const store = cli.contexts;
    const meta: ContextMetadata =
      name === "default"
        ? {
            Name: name,
            Metadata: {},
            Endpoints: { docker: { Host: cli.defaultHost(), SkipTLSVerify: false } },
          }
        : store.read(name);
    const parts = [member("meta.json", 0o644, Buffer.from(JSON.stringify(meta))), member("tls", 0o700)];
    for (const [endpoint, files] of Object.entries(store.tlsFiles(name))) {
      parts.push(member(`tls/${endpoint}`, 0o700));
      for (const file of files) {
        parts.push(
          member(`tls/${endpoint}/${file}`, 0o600, readFileSync(store.tlsPath(name, endpoint, file))),
        );
      }
    }
    const archive = Buffer.concat([...parts, END]);
    if (target === "-") {
      if (isatty(1)) throw new Error("cowardly refusing to export to a terminal, specify a file path");
      await write(1, archive);
      return 0;
    }
    let fd: number;
    try {
      fd = openSync(target, "wx", 0o600);
    } catch (error) {
      throw openError(target, error);
    }
    try {
      writeSync(fd, archive);
    } finally {
      closeSync(fd);
    }
    cli.err(`Written file ${JSON.stringify(target)}\n`);
    return 0;
  },
};

export const importContext: Command = {
  use: "CONTEXT FILE|-",
  short: "Import a context from a tar or zip file",
  flags: [],
  args: { min: 2, max: 2 },
  anyAddress: true,
  async run({ cli, args }) {
    const [name = "", source = ""] = args;
    const store = cli.contexts;
    checkFree(store, name);
    const reader = new TarReader(fileChunks(source));
    let meta: ContextMetadata | undefined;
    const tls = new Map<string, Map<string, Uint8Array>>();
    let left = LIMIT;
    for (let entry = await reader.next(); entry; entry = await reader.next()) {
      if (entry.type !== "file") continue;
      const [, endpoint, file] = /^tls\/([^/\\]+)\/([^/\\]+)$/.exec(entry.name) ?? [];
      if (
        entry.name !== "meta.json" &&
        (endpoint === undefined || /^\.{1,2}$/.test(`${endpoint}`) || /^\.{1,2}$/.test(`${file}`))
      ) {
        throw new Error(`${entry.name}: unexpected context file`);
      }
      left -= entry.size;
      if (left < 0) throw new Error("read exceeds the defined limit");
      const chunks: Uint8Array[] = [];
      for (let chunk = await reader.read(); chunk; chunk = await reader.read()) chunks.push(chunk.slice());
      const bytes = Buffer.concat(chunks);
      if (endpoint === undefined)
        meta = { ...(JSON.parse(bytes.toString("utf8")) as ContextMetadata), Name: name };
      else tls.set(endpoint, (tls.get(endpoint) ?? new Map<string, Uint8Array>()).set(file!, bytes));
    }
    if (!meta) throw new Error("invalid context: no metadata found");
    store.write(meta);
    for (const [endpoint, files] of tls) store.writeTls(name, endpoint, files);
    cli.out(`${name}\n`);
    cli.err(`Successfully imported context ${JSON.stringify(name)}\n`);
    return 0;
  },
};
