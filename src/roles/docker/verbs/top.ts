import type { ContainerTopResponse } from "../../../spec/engine/container.ts";
import { any, type Command } from "../command.ts";
import { align } from "../template/table.ts";

export const top: Command = {
  use: "CONTAINER [ps OPTIONS]",
  short: "Display the running processes of a container",
  aliases: ["docker container top", "docker top"],
  flags: [],
  args: { min: 1, max: any },
  interspersed: false,
  async run({ cli, args }) {
    const [container = "", ...options] = args;
    const { Titles: titles, Processes: processes } = await cli.client.json<ContainerTopResponse>(
      "GET",
      `/containers/${encodeURIComponent(container)}/top`,
      { query: { ps_args: options.join(" ") || undefined } },
    );
    cli.out(align([titles, ...(processes ?? [])].map((cells) => `${cells.join("\t")}\n`).join(""), 20));
    return 0;
  },
};
