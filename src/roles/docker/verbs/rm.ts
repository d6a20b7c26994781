import { any, type Command } from "../command.ts";
import { together } from "../errors.ts";

export const rm: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Remove one or more containers",
  aliases: ["docker container rm", "docker container remove", "docker rm"],
  flags: [
    {
      name: "force",
      short: "f",
      kind: "bool",
      usage: "Force the removal of a running container (uses SIGKILL)",
    },
    { name: "link", short: "l", kind: "bool", usage: "Remove the specified link" },
    {
      name: "volumes",
      short: "v",
      kind: "bool",
      usage: "Remove anonymous volumes associated with the container",
    },
  ],
  args: { min: 1, max: any },
  async run({ cli, flags, args }) {
    const force = flags.bool("force");
    return together(
      args,
      async (given) => {
        const name = given.replace(/^\/+/, "");
        if (name === "") throw new Error("container name cannot be empty");
        try {
          await cli.client.done("DELETE", `/containers/${encodeURIComponent(name)}`, {
            query: {
              force: force || undefined,
              link: flags.bool("link") || undefined,
              v: flags.bool("volumes") || undefined,
            },
          });
        } catch (error) {
          // rm -f of what is not there: the wish is fulfilled, and it is only mentioned.
          if (force && (error as { status?: number }).status === 404) {
            return (error as Error).message;
          }
          throw error;
        }
        return "";
      },
      (given, missing) => (missing === "" ? cli.out(`${given}\n`) : cli.err(`${missing}\n`)),
      (line) => cli.err(line),
    );
  },
};
