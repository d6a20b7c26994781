import { any, type Command } from "../command.ts";
import { createContainer } from "../create/container.ts";
import { containerFlags } from "../create/flags.ts";
import { createRequest } from "../create/request.ts";
import { ExitError, reason } from "../errors.ts";

export const create: Command = {
  use: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  short: "Create a new container",
  aliases: ["docker container create", "docker create"],
  flags: containerFlags,
  args: { min: 1, max: any },
  interspersed: false,
  async run({ cli, flags, args, path }) {
    const [image = "", ...command] = args;
    let request: ReturnType<typeof createRequest>;
    try {
      request = createRequest(flags, image, command, {
        config: cli.config,
        host: cli.host(),
        detached: false,
      });
    } catch (error) {
      throw new ExitError(125, `docker: ${reason(error)}\n\nRun '${path} --help' for more information`);
    }
    cli.out(`${await createContainer(cli, flags, image, request)}\n`);
    return 0;
  },
};
