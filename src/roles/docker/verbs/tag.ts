import {
  fullName,
  parseReference,
  parseTagged,
  type Reference,
} from "../../../wire/distribution/reference.ts";
import type { Command } from "../command.ts";

const bad = (name: string, error: unknown): Error =>
  new Error(
    `Error parsing reference: ${JSON.stringify(name)} is not a valid repository/tag: ${(error as Error).message}`,
  );

export const tag: Command = {
  use: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  short: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
  aliases: ["docker image tag", "docker tag"],
  flags: [],
  args: { min: 2, max: 2 },
  async run({ cli, args }) {
    const [source = "", target = ""] = args;
    let reference: Reference;
    try {
      parseReference(source);
    } catch (error) {
      // An id is no name, but may well be tagged.
      if (!/^(sha256:)?[0-9a-f]{64}$/.test(source)) throw bad(source, error);
    }
    try {
      reference = parseTagged(target);
    } catch (error) {
      throw bad(target, error);
    }
    if (reference.digest !== undefined) throw new Error("refusing to create a tag with a digest reference");
    await cli.client.done("POST", `/images/${encodeURIComponent(source)}/tag`, {
      query: { repo: fullName(reference), tag: reference.tag },
    });
    return 0;
  },
};
