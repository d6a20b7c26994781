// `docker context use`, `show` and `rm`.
import { any, type Command } from "../command.ts";
import { changeConfig } from "../config/change.ts";
import { checkContextName } from "../config/contexts.ts";
import { each } from "../errors.ts";

export const useContext: Command = {
  use: "CONTEXT",
  short: "Set the current docker context",
  flags: [],
  args: { min: 1, max: 1 },
  anyAddress: true,
  async run({ cli, args }) {
    const [name = ""] = args;
    const wanted = name === "default" ? undefined : name;
    if (wanted !== undefined) {
      checkContextName(wanted);
      cli.contexts.read(wanted);
    }
    if ((cli.config.currentContext || undefined) !== wanted) {
      changeConfig(cli.directory, (config) => {
        config.currentContext = wanted;
      });
    }
    cli.out(`${name}\n`);
    cli.err(`Current context is now ${JSON.stringify(name)}\n`);
    if (wanted !== undefined && process.env["DOCKER_HOST"]) {
      cli.err(
        `Warning: DOCKER_HOST environment variable overrides the active context. To use ${JSON.stringify(name)}, either set the global --context flag, or unset DOCKER_HOST environment variable.\n`,
      );
    }
    return 0;
  },
};

export const showContext: Command = {
  use: "",
  short: "Print the name of the current context",
  flags: [],
  args: { min: 0, max: 0 },
  anyAddress: true,
  async run({ cli }) {
    cli.out(`${cli.context}\n`);
    return 0;
  },
};

export const removeContexts: Command = {
  use: "CONTEXT [CONTEXT...]",
  short: "Remove one or more contexts",
  aliases: ["docker context rm", "docker context remove"],
  flags: [{ name: "force", short: "f", kind: "bool", usage: "Force the removal of a context in use" }],
  args: { min: 1, max: any },
  anyAddress: true,
  run({ cli, flags, args }) {
    const force = flags.bool("force");
    return each(
      args,
      async (name) => {
        if (name === "default") throw new Error('context "default" cannot be removed');
        const shown = JSON.stringify(name);
        if (name === cli.context) {
          if (!force) throw new Error(`context ${shown} is in use, set -f flag to force remove`);
          changeConfig(cli.directory, (config) => {
            config.currentContext = undefined;
          });
        }
        if (!force && !cli.contexts.has(name)) throw new Error(`context ${shown} does not exist`);
        cli.contexts.remove(name);
        cli.out(`${name}\n`);
      },
      (line) => cli.err(line),
    );
  },
};
