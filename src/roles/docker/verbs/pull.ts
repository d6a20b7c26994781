import { formatReference, parseTagged } from "../../../wire/distribution/reference.ts";
import type { Command } from "../command.ts";
import { platformOf } from "../create/container.ts";
import { pullImage, readReference } from "../session/pull.ts";

export const pull: Command = {
  use: "[OPTIONS] NAME[:TAG|@DIGEST]",
  short: "Download an image from a registry",
  aliases: ["docker image pull", "docker pull"],
  flags: [
    { name: "all-tags", short: "a", kind: "bool", usage: "Download all tagged images in the repository" },
    {
      name: "disable-content-trust",
      kind: "bool",
      default: true,
      usage: "Skip image verification",
    },
    { name: "platform", kind: "string", usage: "Set platform if server is multi-platform capable" },
    { name: "quiet", short: "q", kind: "bool", usage: "Suppress verbose output" },
  ],
  args: { min: 1, max: 1 },
  async run({ cli, flags, args }) {
    const [name = ""] = args;
    let reference = readReference(name);
    const quiet = flags.bool("quiet");
    if (flags.bool("all-tags")) {
      if (reference.tag !== undefined || reference.digest !== undefined) {
        throw new Error("tag can't be used with --all-tags/-a");
      }
    } else if (reference.tag === undefined && reference.digest === undefined) {
      reference = parseTagged(name);
      if (!quiet) cli.out(`Using default tag: ${reference.tag}\n`);
    }
    await pullImage(cli, { reference, platform: platformOf(flags), progress: quiet ? undefined : 1 });
    cli.out(`${formatReference(reference)}\n`);
    return 0;
  },
};
