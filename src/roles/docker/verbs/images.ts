import type { ImageSummary } from "../../../spec/engine/image.ts";
import type { Command } from "../command.ts";
import { filterFlag, filterQuery, formatFlag } from "../flags/filter.ts";
import { imageHeaders, imageRows } from "../format/image-row.ts";
import { render } from "../template/table.ts";

/** Second words of `docker image`. */
const SUBCOMMANDS = "build history import inspect list load ls prune pull push rm save tag".split(" ");

export const images: Command = {
  use: "[OPTIONS] [REPOSITORY[:TAG]]",
  short: "List images",
  aliases: ["docker image ls", "docker image list", "docker images"],
  flags: [
    { name: "all", short: "a", kind: "bool", usage: "Show all images (default hides intermediate images)" },
    { name: "digests", kind: "bool", usage: "Show digests" },
    filterFlag,
    formatFlag,
    { name: "no-trunc", kind: "bool", usage: "Don't truncate output" },
    { name: "quiet", short: "q", kind: "bool", usage: "Only show image IDs" },
    { name: "tree", kind: "bool", usage: "List multi-platform images as a tree (EXPERIMENTAL)" },
  ],
  args: { min: 0, max: 1 },
  async run({ cli, flags, args, path }) {
    if (flags.bool("tree")) {
      const { showTree } = await import("./images-tree.ts");
      return showTree(cli, flags, args);
    }
    const quiet = flags.bool("quiet");
    const digests = flags.bool("digests");
    let format = flags.string("format");
    if (format === "") format = (!quiet && cli.config.imagesFormat) || "table";
    if (format === "table") {
      format = quiet
        ? "{{.ID}}"
        : `table {{.Repository}}\t{{.Tag}}\t${digests ? "{{.Digest}}\t" : ""}{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`;
    }
    const filters = [...flags.list("filter"), ...args.map((name) => `reference=${name}`)];
    const list = await cli.client.json<ImageSummary[]>("GET", "/images/json", {
      query: { all: flags.bool("all") || undefined, filters: filterQuery(filters) },
    });
    const shown = digests || /\.Digest\b/.test(format);
    cli.out(
      render(
        format,
        imageHeaders,
        list.flatMap((image) => imageRows(image, shown, !flags.bool("no-trunc"))),
      ),
    );
    // "docker images ls" lists images called "ls".
    if (list.length === 0 && path === "docker images" && SUBCOMMANDS.includes(args[0] ?? "")) {
      cli.err(
        `\nNo images found matching ${JSON.stringify(args[0])}: did you mean "docker image ${args[0]}"?\n`,
      );
    }
    return 0;
  },
};
