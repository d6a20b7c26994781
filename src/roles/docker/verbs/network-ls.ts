import type { NetworkInspect } from "../../../spec/engine/network.ts";
import type { Command } from "../command.ts";
import { filterFlag, filterQuery, formatFlag } from "../flags/filter.ts";
import { goTime, labelText, shortId } from "../format/words.ts";
import { render } from "../template/table.ts";

const headers = {
  CreatedAt: "CREATED AT",
  Driver: "DRIVER",
  ID: "NETWORK ID",
  IPv4: "IPV4",
  IPv6: "IPV6",
  Internal: "INTERNAL",
  Labels: "LABELS",
  Name: "NAME",
  Scope: "SCOPE",
};

/** Go's time.String() of an RFC 3339 time, with its fraction. */
function created(text: string): string {
  const fraction = /\.(\d*?)0*(?:Z|[+-]\d\d:\d\d)$/.exec(text)?.[1] ?? "";
  const plain = goTime(Math.floor(Date.parse(text) / 1000));
  return fraction === "" ? plain : plain.replace(/:(\d\d) /, `:$1.${fraction} `);
}

export const listNetworks: Command = {
  use: "[OPTIONS]",
  short: "List networks",
  aliases: ["docker network ls", "docker network list"],
  flags: [
    filterFlag,
    formatFlag,
    { name: "no-trunc", kind: "bool", usage: "Do not truncate the output" },
    { name: "quiet", short: "q", kind: "bool", usage: "Only display network IDs" },
  ],
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const quiet = flags.bool("quiet");
    let format = flags.string("format") || (!quiet && cli.config.networksFormat) || "table";
    if (format === "table") format = quiet ? "{{.ID}}" : "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
    const networks = await cli.client.json<NetworkInspect[]>("GET", "/networks", {
      query: { filters: filterQuery(flags.list("filter")) },
    });
    const rows = networks
      .sort((a, b) => a.Name.localeCompare(b.Name, "en", { numeric: true }))
      .map((network) => ({
        CreatedAt: created(network.Created),
        Driver: network.Driver,
        ID: flags.bool("no-trunc") ? network.Id : shortId(network.Id),
        IPv4: String(network.EnableIPv4 ?? false),
        IPv6: String(network.EnableIPv6),
        Internal: String(network.Internal),
        Label: (name: unknown) => network.Labels?.[String(name)] ?? "",
        Labels: labelText(network.Labels),
        Name: network.Name,
        Scope: network.Scope,
      }));
    cli.out(render(format, headers, rows));
    return 0;
  },
};
