import { rmSync, statSync, writeFileSync } from "node:fs";
import { createGzip } from "node:zlib";
import { isatty } from "../../../../ffi/terminal.ts";
import type { ProgressLine } from "../../../spec/engine/image.ts";
import { CHUNK, through } from "../../../store/tar/through.ts";
import { parseReference } from "../../../wire/distribution/reference.ts";
import { jsonLines } from "../../../wire/engine/lines.ts";
import {
  type BuildContext,
  cloneContext,
  directoryContext,
  isGitUrl,
  streamContext,
} from "../build/context.ts";
import { buildFlags } from "../build/flags.ts";
import { buildQuery } from "../build/query.ts";
import type { Cli } from "../cli.ts";
import type { Command } from "../command.ts";
import { allCredentials, encodeAuth } from "../config/credentials.ts";
import { ExitError, reason } from "../errors.ts";
import type { Flags } from "../flags/flagset.ts";
import { humanSize } from "../format/units.ts";
import { showProgress } from "../session/progress.ts";
import { upload } from "../session/upload.ts";

const isThere = (path: string): boolean => {
  try {
    statSync(path);
    return true;
  } catch {
    return false;
  }
};

async function contextOf(given: string, dockerfile: string): Promise<BuildContext> {
  if (given === "-") {
    if (dockerfile === "-") {
      throw new Error("invalid argument: can't use stdin for both build context and dockerfile");
    }
    try {
      return await streamContext(Bun.stdin.stream(), dockerfile);
    } catch (error) {
      throw new Error(`unable to prepare context from STDIN: ${reason(error)}`);
    }
  }
  const stdin = dockerfile === "-" ? Bun.stdin.stream() : undefined;
  if (isThere(given)) return directoryContext(given, dockerfile, stdin);
  if (isGitUrl(given)) {
    const directory = await cloneContext(given);
    // There a Dockerfile's name is seen from the repository, not from where we stand.
    return directoryContext(
      directory,
      dockerfile === "" || stdin ? dockerfile : `${directory}/${dockerfile}`,
      stdin,
    );
  }
  if (/^https?:\/\//.test(given)) {
    const response = await fetch(given).catch((error: unknown) => {
      throw new Error(`unable to download remote context ${given}: ${reason(error)}`);
    });
    if (response.status >= 400) {
      throw new Error(
        `unable to download remote context ${given}: failed to GET ${given} with status ${response.status} ${response.statusText}: ${(await response.text()).trim()}`,
      );
    }
    return streamContext(response.body ?? new Blob([]).stream(), dockerfile);
  }
  throw new Error(`unable to prepare context: path ${JSON.stringify(given)} not found`);
}

/** The context's bytes; how many there were is told while they go (on a terminal) and at the end. */
async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  tell: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  const terminal = isatty(1);
  const line = (size: number) => `Sending build context to Docker daemon  ${humanSize(size)}\r`;
  let size = 0;
  let shown = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    yield chunk;
    if (terminal && size - shown > 512 * 1024) {
      shown = size;
      tell(line(size));
    }
  }
  tell(`${line(size)}\r\n`);
}

async function perform(cli: Cli, flags: Flags, given: string, tell: (text: string) => void): Promise<string> {
  for (const tag of flags.list("tag")) {
    try {
      parseReference(tag);
    } catch (error) {
      throw new ExitError(
        125,
        `invalid argument ${JSON.stringify(tag)} for "-t, --tag" flag: ${reason(error)}\n\nUsage:  docker build [OPTIONS] PATH | URL | -\n\nRun 'docker build --help' for more information`,
      );
    }
  }
  if (flags.bool("squash") && !(await cli.client.ping()).experimental) {
    throw new Error('"--squash" is only supported on a Docker daemon with experimental features enabled');
  }
  const { chunks, dockerfile } = await contextOf(given, flags.string("file"));
  const packed = flags.bool("compress")
    ? through(chunks, createGzip({ chunkSize: CHUNK }), (error) => error)
    : chunks;
  const response = await upload(cli.client, "POST", "/build", counted(packed, tell), {
    query: buildQuery(flags, dockerfile, cli),
    headers: { "X-Registry-Config": encodeAuth(await allCredentials(cli.config)) },
  });
  let id = "";
  async function* lines(): AsyncGenerator<ProgressLine> {
    for await (const line of jsonLines<ProgressLine>(response.body ?? new Blob([]).stream())) {
      const { ID } = (line.aux ?? {}) as { ID?: string };
      if (ID) id = ID;
      if (line.errorDetail || line.error !== undefined) {
        const { code, message } = line.errorDetail ?? { message: line.error! };
        throw new ExitError(code || 1, message);
      }
      yield line;
    }
  }
  await showProgress(lines(), { terminal: isatty(1) && !flags.bool("quiet"), fd: 1, print: tell });
  return id;
}

export const build: Command = {
  use: "[OPTIONS] PATH | URL | -",
  short: "Build an image from a Dockerfile",
  aliases: ["docker image build", "docker build", "docker builder build"],
  flags: [...buildFlags].sort((a, b) => (a.name < b.name ? -1 : 1)),
  args: { min: 1, max: 1 },
  async run({ cli, flags, args }) {
    const idFile = flags.string("iidfile");
    // A failed build leaves no old id behind.
    if (idFile !== "") rmSync(idFile, { force: true });
    const quiet = flags.bool("quiet");
    let kept = "";
    const tell = (text: string) => {
      if (quiet) kept += text;
      else cli.out(text);
    };
    let id: string;
    try {
      id = await perform(cli, flags, args[0]!, tell);
    } catch (error) {
      if (quiet) cli.err(kept);
      throw error;
    }
    if (quiet) {
      // With q the engine's only word is the id.
      const told = kept.replace(/^Sending build context[^\n]*\n/, "");
      id ||= told.trim();
      cli.out(told);
    }
    if (idFile !== "") {
      if (id === "") throw new Error(`server did not provide an image ID. Cannot write ${idFile}`);
      writeFileSync(idFile, id, { mode: 0o666 });
    }
    return 0;
  },
};
