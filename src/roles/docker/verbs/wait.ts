import type { ContainerWaitResponse } from "../../../spec/engine/container.ts";
import { any, type Command } from "../command.ts";
import { each } from "../errors.ts";

export const wait: Command = {
  use: "CONTAINER [CONTAINER...]",
  short: "Block until one or more containers stop, then print their exit codes",
  aliases: ["docker container wait", "docker wait"],
  flags: [],
  args: { min: 1, max: any },
  run: ({ cli, args }) =>
    each(
      args,
      async (name) => {
        const answer = await cli.client.json<ContainerWaitResponse>(
          "POST",
          `/containers/${encodeURIComponent(name)}/wait`,
        );
        if (answer.Error?.Message) throw new Error(answer.Error.Message);
        cli.out(`${answer.StatusCode}\n`);
      },
      (line) => cli.err(line),
    ),
};
