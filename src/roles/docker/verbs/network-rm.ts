import { EngineError } from "../../../wire/engine/client.ts";
import { any, type Command } from "../command.ts";
import { reason } from "../errors.ts";

export const removeNetworks: Command = {
  use: "NETWORK [NETWORK...]",
  short: "Remove one or more networks",
  aliases: ["docker network rm", "docker network remove"],
  flags: [{ name: "force", short: "f", kind: "bool", usage: "Do not error if the network does not exist" }],
  args: { min: 1, max: any },
  async run({ cli, flags, args }) {
    let code = 0;
    for (const name of args) {
      try {
        await cli.client.done("DELETE", `/networks/${encodeURIComponent(name)}`);
        cli.out(`${name}\n`);
      } catch (error) {
        if (flags.bool("force") && error instanceof EngineError && error.status === 404) continue;
        cli.err(`${reason(error)}\n`);
        code = 1;
      }
    }
    if (code !== 0) cli.err("exit status 1\n");
    return code;
  },
};
