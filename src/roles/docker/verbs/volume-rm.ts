import { any, type Command } from "../command.ts";
import { each } from "../errors.ts";

export const removeVolumes: Command = {
  use: "[OPTIONS] VOLUME [VOLUME...]",
  short: "Remove one or more volumes",
  aliases: ["docker volume rm", "docker volume remove"],
  flags: [{ name: "force", short: "f", kind: "bool", usage: "Force the removal of one or more volumes" }],
  args: { min: 1, max: any },
  run: ({ cli, flags, args }) =>
    each(
      args,
      async (name) => {
        await cli.client.done("DELETE", `/volumes/${encodeURIComponent(name)}`, {
          query: { force: flags.bool("force") || undefined },
        });
        cli.out(`${name}\n`);
      },
      (line) => cli.err(line),
    ),
};
