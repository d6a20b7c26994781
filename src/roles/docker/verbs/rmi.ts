import type { ImageDeleteItem } from "../../../spec/engine/image.ts";
import { any, type Command } from "../command.ts";
import { each } from "../errors.ts";
import { parsePlatform } from "../flags/platform.ts";

export const rmi: Command = {
  use: "[OPTIONS] IMAGE [IMAGE...]",
  short: "Remove one or more images",
  aliases: ["docker image rm", "docker image remove", "docker rmi"],
  flags: [
    { name: "force", short: "f", kind: "bool", usage: "Force removal of the image" },
    { name: "no-prune", kind: "bool", usage: "Do not delete untagged parents" },
    {
      name: "platform",
      kind: "strings",
      usage:
        'Remove only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
  ],
  args: { min: 1, max: any },
  async run({ cli, flags, args }) {
    const force = flags.bool("force");
    const platforms = flags.list("platform").map((one) => JSON.stringify(parsePlatform(one)));
    let failed = false;
    const code = await each(
      args,
      async (name) => {
        try {
          const items = await cli.client.json<ImageDeleteItem[]>(
            "DELETE",
            `/images/${encodeURIComponent(name)}`,
            {
              query: { force: force || undefined, noprune: flags.bool("no-prune") || undefined, platforms },
            },
          );
          for (const item of items) {
            cli.out("Deleted" in item ? `Deleted: ${item.Deleted}\n` : `Untagged: ${item.Untagged}\n`);
          }
        } catch (error) {
          if ((error as { status?: number }).status !== 404 || !force) failed = true;
          throw error;
        }
      },
      (line) => cli.err(line),
    );
    // rmi -f of what is not there only mentions it.
    return failed ? code : 0;
  },
};
