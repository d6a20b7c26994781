import type { VolumeList } from "../../../spec/engine/volume.ts";
import type { Command } from "../command.ts";
import { filterFlag, filterQuery, formatFlag } from "../flags/filter.ts";
import { volumeHeaders, volumeRow } from "../format/volume-row.ts";
import { render } from "../template/table.ts";

export const listVolumes: Command = {
  use: "[OPTIONS]",
  short: "List volumes",
  aliases: ["docker volume ls", "docker volume list"],
  flags: [
    {
      name: "cluster",
      kind: "bool",
      usage: "Display only cluster volumes, and use cluster volume list formatting",
    },
    filterFlag,
    formatFlag,
    { name: "quiet", short: "q", kind: "bool", usage: "Only display volume names" },
  ],
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const quiet = flags.bool("quiet");
    let format = flags.string("format") || (!quiet && cli.config.volumesFormat) || "table";
    if (format === "table" && flags.bool("cluster") && !quiet) {
      format = "table {{.Name}}\t{{.Group}}\t{{.Driver}}\t{{.Availability}}\t{{.Status}}";
    }
    if (format === "table") format = quiet ? "{{.Name}}" : "table {{.Driver}}\t{{.Name}}";
    const { Volumes: volumes } = await cli.client.json<VolumeList>("GET", "/volumes", {
      query: { filters: filterQuery(flags.list("filter")) },
    });
    const cluster = flags.bool("cluster");
    const rows = (volumes ?? [])
      .filter((volume) => !cluster || "ClusterVolume" in volume)
      .sort((a, b) => a.Name.localeCompare(b.Name, "en", { numeric: true }))
      .map(volumeRow);
    cli.out(render(format, volumeHeaders, rows));
    return 0;
  },
};
