import type { VolumeList } from "../../../spec/engine/volume.ts";
import type { Command } from "../command.ts";
import { filterFlag, filterQuery, formatFlag } from "../flags/filter.ts";
import { humanSize } from "../format/units.ts";
import { labelText } from "../format/words.ts";
import { render } from "../template/table.ts";

const headers = {
  Availability: "AVAILABILITY",
  Driver: "DRIVER",
  Group: "GROUP",
  Labels: "LABELS",
  Links: "LINKS",
  Mountpoint: "MOUNTPOINT",
  Name: "VOLUME NAME",
  Scope: "SCOPE",
  Size: "SIZE",
  Status: "STATUS",
};

export const listVolumes: Command = {
  use: "[OPTIONS]",
  short: "List volumes",
  aliases: ["docker volume ls", "docker volume list"],
  flags: [
    filterFlag,
    formatFlag,
    { name: "quiet", short: "q", kind: "bool", usage: "Only display volume names" },
  ],
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const quiet = flags.bool("quiet");
    let format = flags.string("format") || (!quiet && cli.config.volumesFormat) || "table";
    if (format === "table") format = quiet ? "{{.Name}}" : "table {{.Driver}}\t{{.Name}}";
    const { Volumes: volumes } = await cli.client.json<VolumeList>("GET", "/volumes", {
      query: { filters: filterQuery(flags.list("filter")) },
    });
    const rows = (volumes ?? [])
      .sort((a, b) => a.Name.localeCompare(b.Name, "en", { numeric: true }))
      .map((volume) => ({
        Availability: "N/A",
        Driver: volume.Driver,
        Group: "N/A",
        Label: (name: unknown) => volume.Labels?.[String(name)] ?? "",
        Labels: labelText(volume.Labels),
        Links: volume.UsageData ? String(volume.UsageData.RefCount) : "N/A",
        Mountpoint: volume.Mountpoint,
        Name: volume.Name,
        Scope: volume.Scope,
        Size: volume.UsageData ? humanSize(volume.UsageData.Size) : "N/A",
        Status: "N/A",
      }));
    cli.out(render(format, headers, rows));
    return 0;
  },
};
