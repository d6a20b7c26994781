import type { Command } from "../command.ts";
import { reason } from "../errors.ts";

export const rename: Command = {
  use: "CONTAINER NEW_NAME",
  short: "Rename a container",
  aliases: ["docker container rename", "docker rename"],
  flags: [],
  args: { min: 2, max: 2 },
  async run({ cli, args }) {
    const [container = "", name = ""] = args.map((one) => one.trim());
    if (container === "" || name === "") throw new Error("Error: Neither old nor new names may be empty");
    try {
      await cli.client.done("POST", `/containers/${encodeURIComponent(container)}/rename`, {
        query: { name },
      });
    } catch (error) {
      throw new Error(`${reason(error)}\nError: failed to rename container named ${container}`);
    }
    return 0;
  },
};
