import { any, type Command } from "../command.ts";
import { together } from "../errors.ts";

const verb = (name: "pause" | "unpause", short: string): Command => ({
  use: "CONTAINER [CONTAINER...]",
  short,
  aliases: [`docker container ${name}`, `docker ${name}`],
  flags: [],
  args: { min: 1, max: any },
  run: ({ cli, args }) =>
    together(
      args,
      (container) => cli.client.done("POST", `/containers/${encodeURIComponent(container)}/${name}`),
      (container) => cli.out(`${container}\n`),
      (line) => cli.err(line),
    ),
});

export const pause = verb("pause", "Pause all processes within one or more containers");
export const unpause = verb("unpause", "Unpause all processes within one or more containers");
