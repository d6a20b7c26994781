// Images into archives and out of them.
import { createReadStream, createWriteStream, openSync } from "node:fs";
import { finished } from "node:stream/promises";
import { parsePlatform } from "../../../spec/oci/platform.ts";
import { type Command, LOCAL, SNAPSHOTTER, UsageError } from "../command.ts";
import { textOf } from "../errno.ts";
import { writeOut } from "../output.ts";

export const exportCommand: Command = {
  names: ["export"],
  about: "export images",
  use: "[command options] [flags] <out> <image> ...",
  flags: [
    {
      name: "skip-manifest-json",
      kind: "boolean",
      about: "do not add Docker compatible manifest.json to archive",
    },
    { name: "platform", kind: "string", about: "Pull content from a specific platform" },
    { name: "all-platforms", kind: "boolean", about: "exports content from all platforms" },
    LOCAL,
  ],
  async run({ transfer, ns, flags, args: [path, ...images] }) {
    if (!path || images.length === 0) {
      throw new UsageError("please provide both an output filename and an image reference to export");
    }
    const platform = flags.string("platform");
    const archive = (await transfer()).export(ns, {
      images,
      ...(platform === "" ? {} : { platform: parsePlatform(platform) }),
      allPlatforms: flags.boolean("all-platforms"),
      skipDockerManifest: flags.boolean("skip-manifest-json"),
    });
    if (path === "-") {
      for await (const chunk of archive) await writeOut(chunk);
      return 0;
    }
    // Nothing is made of a name that does not exist.
    let file: ReturnType<typeof createWriteStream> | undefined;
    for await (const chunk of archive) {
      file ??= createWriteStream(path);
      if (!file.write(chunk)) await new Promise((resolve) => file!.once("drain", resolve));
    }
    file?.end();
    if (file) await finished(file);
    return 0;
  },
};

/** The file's bytes. Throws UsageError when it cannot be opened. */
function readerOf(path: string) {
  try {
    return createReadStream(path, { fd: openSync(path, "r") });
  } catch (error) {
    throw new UsageError(`open ${path}: ${textOf(error)}`);
  }
}

export const importCommand: Command = {
  names: ["import"],
  about: "import images",
  use: "[command options] [flags] <in>",
  flags: [
    { name: "base-name", kind: "string", about: "base image name for added images" },
    { name: "digests", kind: "boolean", about: "whether to create digest images (default: false)" },
    { name: "index-name", kind: "string", about: "image name to keep index as" },
    { name: "platform", kind: "string", about: "imports content for specific platform" },
    { name: "no-unpack", kind: "boolean", about: "skip unpacking the images" },
    SNAPSHOTTER,
    LOCAL,
  ],
  async run({ transfer, ns, flags, args: [path], out }) {
    if (!path) throw new UsageError("please provide an input filename");
    const source = path === "-" ? process.stdin : readerOf(path);
    const [base, index, platform] = ["base-name", "index-name", "platform"].map((name) => flags.string(name));
    const made = await (await transfer()).import(ns, source, {
      ...(base ? { baseName: base } : {}),
      ...(index ? { indexName: index } : {}),
      ...(platform ? { platform: parsePlatform(platform) } : {}),
      digests: flags.boolean("digests"),
      unpack: !flags.boolean("no-unpack"),
      snapshotter: flags.string("snapshotter"),
    });
    for (const { name, target } of made) out(`unpacking ${name} (${target.digest})...done\n`);
    return 0;
  },
};
