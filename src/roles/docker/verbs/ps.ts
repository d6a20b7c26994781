import type { ContainerSummary } from "../../../spec/engine/container.ts";
import type { Command } from "../command.ts";
import { filterFlag, filterQuery, formatFlag } from "../flags/filter.ts";
import { containerHeaders, containerRow } from "../format/container-row.ts";
import { render } from "../template/table.ts";

const TABLE = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

export const ps: Command = {
  use: "[OPTIONS]",
  short: "List containers",
  aliases: ["docker container ls", "docker container list", "docker container ps", "docker ps"],
  flags: [
    { name: "all", short: "a", kind: "bool", usage: "Show all containers (default shows just running)" },
    filterFlag,
    formatFlag,
    {
      name: "last",
      short: "n",
      kind: "int",
      default: -1,
      usage: "Show n last created containers (includes all states)",
    },
    {
      name: "latest",
      short: "l",
      kind: "bool",
      usage: "Show the latest created container (includes all states)",
    },
    { name: "no-trunc", kind: "bool", usage: "Don't truncate output" },
    { name: "quiet", short: "q", kind: "bool", usage: "Only display container IDs" },
    { name: "size", short: "s", kind: "bool", usage: "Display total file sizes" },
  ],
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const quiet = flags.bool("quiet");
    let format = flags.string("format");
    if (quiet && format !== "") {
      cli.err("WARNING: Ignoring custom format, because both --format and --quiet are set.\n");
      format = "table";
    }
    if (format === "") format = (!quiet && cli.config.psFormat) || "table";
    const size = flags.bool("size");
    if (format === "table") format = quiet ? "{{.ID}}" : size ? `${TABLE}\t{{.Size}}` : TABLE;
    const last = flags.bool("latest") && flags.number("last") === -1 ? 1 : flags.number("last");
    const containers = await cli.client.json<ContainerSummary[]>("GET", "/containers/json", {
      query: {
        all: flags.bool("all") || undefined,
        filters: filterQuery(flags.list("filter")),
        limit: last > 0 ? last : undefined,
        size: size || /\.Size\b|\bjson +\.(?!\w)/.test(format) || undefined,
      },
    });
    const rows = containers.map((container) => containerRow(container, !flags.bool("no-trunc")));
    cli.out(render(format, containerHeaders, rows));
    return 0;
  },
};
