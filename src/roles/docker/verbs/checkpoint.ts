// `docker checkpoint create|ls|rm`: the experimental endpoints, where the engine has them.
import type { Cli } from "../cli.ts";
import type { Command } from "../command.ts";
import type { Flag } from "../flags/flagset.ts";
import { render } from "../template/table.ts";

const directory: Flag = {
  name: "checkpoint-dir",
  kind: "string",
  usage: "Use a custom checkpoint storage directory",
};

const path = (container: string) => `/containers/${encodeURIComponent(container)}/checkpoints`;

/** Throws, with the docker CLI's words, at an engine that does not offer experiments. */
async function needExperimental(cli: Cli, path: string): Promise<void> {
  if (!(await cli.client.ping()).experimental) {
    throw new Error(`${path} is only supported on a Docker daemon with experimental features enabled`);
  }
}

export const createCheckpoint: Command = {
  use: "[OPTIONS] CONTAINER CHECKPOINT",
  short: "Create a checkpoint from a running container",
  flags: [
    directory,
    { name: "leave-running", kind: "bool", usage: "Leave the container running after checkpoint" },
  ],
  args: { min: 2, max: 2 },
  async run({ cli, flags, args, path: name }) {
    await needExperimental(cli, name);
    const [container = "", checkpoint = ""] = args;
    await cli.client.done("POST", path(container), {
      json: {
        CheckpointID: checkpoint,
        CheckpointDir: flags.string("checkpoint-dir"),
        Exit: !flags.bool("leave-running"),
      },
    });
    cli.out(`${checkpoint}\n`);
    return 0;
  },
};

export const listCheckpoints: Command = {
  use: "[OPTIONS] CONTAINER",
  short: "List checkpoints for a container",
  aliases: ["docker checkpoint ls", "docker checkpoint list"],
  flags: [directory],
  args: { min: 1, max: 1 },
  async run({ cli, flags, args, path: name }) {
    await needExperimental(cli, name);
    const list = await cli.client.json<{ Name: string }[] | null>("GET", path(args[0]!), {
      query: { dir: flags.string("checkpoint-dir") || undefined },
    });
    const rows = (list ?? []).map(({ Name }) => ({ Name }));
    cli.out(render("table {{.Name}}", { Name: "CHECKPOINT NAME" }, rows));
    return 0;
  },
};

export const removeCheckpoint: Command = {
  use: "[OPTIONS] CONTAINER CHECKPOINT",
  short: "Remove a checkpoint",
  aliases: ["docker checkpoint rm", "docker checkpoint remove"],
  flags: [directory],
  args: { min: 2, max: 2 },
  async run({ cli, flags, args, path: name }) {
    await needExperimental(cli, name);
    const [container = "", checkpoint = ""] = args;
    await cli.client.done("DELETE", `${path(container)}/${encodeURIComponent(checkpoint)}`, {
      query: { dir: flags.string("checkpoint-dir") || undefined },
    });
    return 0;
  },
};
