import type { ImageHistoryItem } from "../../../spec/engine/image.ts";
import type { Command } from "../command.ts";
import { formatFlag } from "../flags/filter.ts";
import { platformQuery } from "../flags/platform.ts";
import { humanDuration, humanSize } from "../format/units.ts";
import { ellipsis, rfc3339, shortId } from "../format/words.ts";
import { render } from "../template/table.ts";

const headers = {
  Comment: "COMMENT",
  CreatedAt: "CREATED AT",
  CreatedBy: "CREATED BY",
  CreatedSince: "CREATED",
  ID: "IMAGE",
  Size: "SIZE",
};

const TABLE = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

export const history: Command = {
  use: "[OPTIONS] IMAGE",
  short: "Show the history of an image",
  aliases: ["docker image history", "docker history"],
  flags: [
    formatFlag,
    {
      name: "human",
      short: "H",
      kind: "bool",
      default: true,
      usage: "Print sizes and dates in human readable format",
    },
    { name: "no-trunc", kind: "bool", usage: "Don't truncate output" },
    {
      name: "platform",
      kind: "string",
      usage: 'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
    { name: "quiet", short: "q", kind: "bool", usage: "Only show image IDs" },
  ],
  args: { min: 1, max: 1 },
  async run({ cli, flags, args }) {
    const whole = flags.bool("no-trunc");
    const human = flags.bool("human");
    const items = await cli.client.json<ImageHistoryItem[]>(
      "GET",
      `/images/${encodeURIComponent(args[0]!)}/history`,
      { query: { platform: platformQuery(flags.string("platform")) } },
    );
    let format = flags.string("format") || "table";
    if (format === "table") format = flags.bool("quiet") ? "{{.ID}}" : TABLE;
    const rows = items.map((item) => {
      const by = item.CreatedBy.replaceAll("\t", " ");
      const created = rfc3339(item.Created);
      return {
        Comment: item.Comment,
        CreatedAt: created,
        CreatedBy: whole ? by : ellipsis(by, 45),
        CreatedSince: !human
          ? created
          : item.Created <= 0
            ? "N/A"
            : `${humanDuration(Date.now() / 1000 - item.Created)} ago`,
        ID: whole ? item.Id : shortId(item.Id),
        Size: human ? humanSize(item.Size, 3) : String(item.Size),
      };
    });
    cli.out(render(format, human ? headers : { ...headers, CreatedSince: headers.CreatedAt }, rows));
    return 0;
  },
};
