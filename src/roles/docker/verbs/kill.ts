import { any, type Command } from "../command.ts";
import { together } from "../errors.ts";

export const kill: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Kill one or more running containers",
  aliases: ["docker container kill", "docker kill"],
  flags: [{ name: "signal", short: "s", kind: "string", usage: "Signal to send to the container" }],
  args: { min: 1, max: any },
  run: ({ cli, flags, args }) =>
    together(
      args,
      (name) =>
        cli.client.done("POST", `/containers/${encodeURIComponent(name)}/kill`, {
          query: { signal: flags.string("signal") || undefined },
        }),
      (name) => cli.out(`${name}\n`),
      (line) => cli.err(line),
    ),
};
