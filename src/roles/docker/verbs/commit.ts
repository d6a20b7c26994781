import { fullName, parseTagged } from "../../../wire/distribution/reference.ts";
import type { Command } from "../command.ts";
import { changeFlag } from "./import.ts";

export const commit: Command = {
  use: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  short: "Create a new image from a container's changes",
  aliases: ["docker container commit", "docker commit"],
  flags: [
    {
      name: "author",
      short: "a",
      kind: "string",
      usage: 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")',
    },
    changeFlag,
    { name: "message", short: "m", kind: "string", usage: "Commit message" },
    { name: "pause", short: "p", kind: "bool", default: true, usage: "Pause container during commit" },
  ],
  args: { min: 1, max: 2 },
  async run({ cli, flags, args }) {
    const [container = "", name = ""] = args;
    const reference = name === "" ? undefined : parseTagged(name);
    if (reference?.digest !== undefined) throw new Error("refusing to create a tag with a digest reference");
    const { Id: id } = await cli.client.json<{ Id: string }>("POST", "/commit", {
      query: {
        author: flags.string("author"),
        changes: flags.list("change"),
        comment: flags.string("message"),
        container,
        pause: flags.bool("pause") ? undefined : false,
        repo: reference ? fullName(reference) : "",
        tag: reference ? (reference.tag ?? "") : "",
      },
    });
    cli.out(`${id}\n`);
    return 0;
  },
};
