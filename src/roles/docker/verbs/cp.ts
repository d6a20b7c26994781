import { isatty } from "../../../../ffi/terminal.ts";
import { toByteName } from "../../../../ffi/tree.ts";
import { applyTar } from "../../../store/tar/extract.ts";
import { packEntry } from "../../../store/tar/pack.ts";
import { renameMembers } from "../../../store/tar/rename.ts";
import type { Cli } from "../cli.ts";
import type { Command } from "../command.ts";
import { CopyCount } from "../copy/count.ts";
import {
  type CopyEnd,
  checkOutput,
  followed,
  linkTarget,
  localPath,
  localSource,
  localTarget,
  plan,
  splitArgument,
  splitEntry,
} from "../copy/path.ts";
import { archivePath, isDirectory, isSpecial, isSymlink, slashed, statOf, statPath } from "../copy/remote.ts";
import { upload } from "../session/upload.ts";
import { write } from "../stdio/output.ts";

interface CopyOptions {
  followLink: boolean;
  keepOwner: boolean;
  quiet: boolean;
}

async function fromContainer(
  cli: Cli,
  container: string,
  from: string,
  to: string,
  { followLink, quiet }: CopyOptions,
): Promise<void> {
  const target = to === "-" ? to : localPath(to);
  checkOutput(target);
  let path = from;
  let rename: string | undefined;
  if (followLink) {
    const stat = await statPath(cli.client, container, path).catch(() => undefined);
    if (stat && isSymlink(stat)) ({ path, rename } = followed(path, linkTarget(path, stat.linkTarget)));
  }
  const response = await cli.client.request("GET", archivePath(container), {
    query: { path: slashed(path) },
  });
  const body = response.body ?? new Blob([]).stream();
  if (to === "-") {
    for await (const chunk of body) await write(1, chunk);
    return;
  }
  const source: CopyEnd = { path, exists: true, directory: isDirectory(statOf(response)), rename };
  const { directory, rename: as = rename } = plan(source, localTarget(target));
  using count = new CopyCount("Copying from container - ", !quiet);
  const chunks = count.count(body);
  const own = splitEntry(path).name;
  await applyTar(
    as === undefined || as === own ? chunks : renameMembers(chunks, toByteName(own), toByteName(as)),
    directory,
    // What is copied here is ours, whoever owned it there.
    { plainNames: true, keepKinds: true, owner: { uid: process.geteuid!(), gid: process.getegid!() } },
  );
  count.done(target);
}

async function targetInside(cli: Cli, container: string, path: string): Promise<CopyEnd> {
  let stat = await statPath(cli.client, container, path).catch(() => undefined);
  let at = path;
  if (stat && isSymlink(stat)) {
    at = linkTarget(path, stat.linkTarget);
    stat = await statPath(cli.client, container, at).catch(() => undefined);
  }
  if (!stat) return { path: at, exists: false, directory: false };
  if (isSpecial(stat)) {
    throw new Error(
      `destination "${container}:${path}" must be a directory or a regular file: got a device or an irregular file`,
    );
  }
  return { path: at, exists: true, directory: isDirectory(stat) };
}

async function toContainer(
  cli: Cli,
  from: string,
  container: string,
  to: string,
  { followLink, keepOwner, quiet }: CopyOptions,
): Promise<void> {
  const path = from === "-" ? from : localPath(from);
  const target = await targetInside(cli, container, to);
  let chunks: AsyncIterable<Uint8Array>;
  let directory = target.path;
  if (from === "-") {
    if (!target.directory) throw new Error(`destination "${container}:${to}" must be a directory`);
    chunks = Bun.stdin.stream();
  } else {
    const source = localSource(path, followLink);
    const planned = plan(source, target);
    directory = planned.directory;
    const entry = splitEntry(source.path);
    chunks = packEntry(entry.directory, entry.name, planned.rename ?? source.rename ?? entry.name);
  }
  using count = new CopyCount("Copying to container - ", !quiet);
  const response = await upload(cli.client, "PUT", archivePath(container), count.count(chunks), {
    query: {
      path: slashed(directory),
      noOverwriteDirNonDir: "true",
      copyUIDGID: keepOwner ? "true" : undefined,
    },
  });
  await response.arrayBuffer();
  count.done(`${container}:${target.path}`);
}

export const cp: Command = {
  use: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
  short: "Copy files/folders between a container and the local filesystem",
  long: `Copy files/folders between a container and the local filesystem

Use '-' as the source to read a tar archive from stdin
and extract it to a directory destination in a container.
Use '-' as the destination to stream a tar archive of a
container source to stdout.`,
  aliases: ["docker container cp", "docker cp"],
  flags: [
    { name: "archive", short: "a", kind: "bool", usage: "Archive mode (copy all uid/gid information)" },
    { name: "follow-link", short: "L", kind: "bool", usage: "Always follow symbol link in SRC_PATH" },
    {
      name: "quiet",
      short: "q",
      kind: "bool",
      usage:
        "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached",
    },
  ],
  args: { min: 2, max: 2 },
  async run({ cli, flags, args }) {
    const [from = "", to = ""] = args;
    if (from === "") throw new Error("source can not be empty");
    if (to === "") throw new Error("destination can not be empty");
    const source = splitArgument(from);
    const target = splitArgument(to);
    const options: CopyOptions = {
      followLink: flags.bool("follow-link"),
      keepOwner: flags.bool("archive"),
      quiet: flags.changed("quiet") ? flags.bool("quiet") : !isatty(1),
    };
    if (source.container !== "" && target.container !== "") {
      throw new Error("copying between containers is not supported");
    }
    if (source.container !== "")
      await fromContainer(cli, source.container, source.path, target.path, options);
    else if (target.container !== "")
      await toContainer(cli, source.path, target.container, target.path, options);
    else throw new Error("must specify at least one container source");
    return 0;
  },
};
