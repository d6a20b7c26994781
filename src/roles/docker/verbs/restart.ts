import { any, type Command } from "../command.ts";
import { each } from "../errors.ts";
import { stopFlags, stopQuery } from "./stop.ts";

export const restart: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Restart one or more containers",
  aliases: ["docker container restart", "docker restart"],
  flags: stopFlags,
  args: { min: 1, max: any },
  run: ({ cli, flags, args }) =>
    each(
      args,
      async (name) => {
        await cli.client.done("POST", `/containers/${encodeURIComponent(name)}/restart`, {
          query: stopQuery(flags),
        });
        cli.out(`${name}\n`);
      },
      (line) => cli.err(line),
    ),
};
