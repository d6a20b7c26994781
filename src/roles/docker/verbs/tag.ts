import { fullName, parseTagged } from "../../../wire/distribution/reference.ts";
import type { Command } from "../command.ts";

export const tag: Command = {
  use: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  short: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
  aliases: ["docker image tag", "docker tag"],
  flags: [],
  args: { min: 2, max: 2 },
  async run({ cli, args }) {
    const [source = "", target = ""] = args;
    const reference = parseTagged(target);
    if (reference.digest !== undefined) throw new Error("refusing to create a tag with a digest reference");
    await cli.client.done("POST", `/images/${encodeURIComponent(source)}/tag`, {
      query: { repo: fullName(reference), tag: reference.tag },
    });
    return 0;
  },
};
