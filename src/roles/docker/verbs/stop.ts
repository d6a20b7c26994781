import { any, type Command } from "../command.ts";
import { together } from "../errors.ts";
import type { Flag, Flags } from "../flags/flagset.ts";

/** -s and -t of `stop` and `restart`. */
export const stopFlags: readonly Flag[] = [
  { name: "signal", short: "s", kind: "string", usage: "Signal to send to the container" },
  { name: "time", kind: "int", hidden: true, aliasOf: "timeout", usage: "" },
  { name: "timeout", short: "t", kind: "int", usage: "Seconds to wait before killing the container" },
];

/** The query those flags make. */
export const stopQuery = (flags: Flags) => ({
  signal: flags.string("signal") || undefined,
  t: flags.changed("timeout") ? flags.number("timeout") : undefined,
});

export const stop: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Stop one or more running containers",
  aliases: ["docker container stop", "docker stop"],
  flags: stopFlags,
  args: { min: 1, max: any },
  async run({ cli, flags, args }) {
    // Each may take its whole grace time.
    return together(
      args,
      (name) =>
        cli.client.done("POST", `/containers/${encodeURIComponent(name)}/stop`, { query: stopQuery(flags) }),
      (name) => cli.out(`${name}\n`),
      (line) => cli.err(line),
    );
  },
};
