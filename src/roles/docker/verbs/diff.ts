import type { Command } from "../command.ts";

const KINDS = ["C", "A", "D"] as const;

export const diff: Command = {
  use: "CONTAINER",
  short: "Inspect changes to files or directories on a container's filesystem",
  aliases: ["docker container diff", "docker diff"],
  flags: [],
  args: { min: 1, max: 1 },
  async run({ cli, args }) {
    const [name = ""] = args;
    if (name === "") throw new Error("Container name cannot be empty");
    const changes = await cli.client.json<{ Path: string; Kind: 0 | 1 | 2 }[] | null>(
      "GET",
      `/containers/${encodeURIComponent(name)}/changes`,
    );
    cli.out((changes ?? []).map(({ Path, Kind }) => `${KINDS[Kind]} ${Path}\n`).join(""));
    return 0;
  },
};
