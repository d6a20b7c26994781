import type { ImageSummary } from "../../../spec/engine/image.ts";
import type { Command } from "../command.ts";
import { filterFlag, filterQuery, formatFlag } from "../flags/filter.ts";
import { humanDuration, humanSize } from "../format/units.ts";
import { goTime, shortId } from "../format/words.ts";
import { type Row, render } from "../template/table.ts";

const headers = {
  Containers: "CONTAINERS",
  CreatedAt: "CREATED AT",
  CreatedSince: "CREATED",
  Digest: "DIGEST",
  ID: "IMAGE ID",
  Repository: "REPOSITORY",
  SharedSize: "SHARED SIZE",
  Size: "SIZE",
  Tag: "TAG",
  UniqueSize: "UNIQUE SIZE",
  VirtualSize: "SIZE",
};

const NONE = "<none>";

interface Name {
  repository: string;
  tag: string;
  digest: string;
}

// An image is a row for each of its names.
function namesOf(image: ImageSummary, digests: boolean): Name[] {
  const tags = (image.RepoTags ?? []).filter((tag) => tag !== `${NONE}:${NONE}`);
  const known = new Map<string, string[]>();
  for (const reference of image.RepoDigests ?? []) {
    const at = reference.lastIndexOf("@");
    const repository = reference.slice(0, at);
    if (repository !== NONE)
      known.set(repository, [...(known.get(repository) ?? []), reference.slice(at + 1)]);
  }
  if (tags.length === 0 && known.size === 0) return [{ repository: NONE, tag: NONE, digest: NONE }];
  const rows: Name[] = [];
  const tagged = new Set<string>();
  for (const reference of tags) {
    const colon = reference.lastIndexOf(":");
    const repository = reference.slice(0, colon);
    tagged.add(repository);
    const own = digests ? (known.get(repository) ?? []) : [];
    for (const digest of own.length > 0 ? own : [NONE])
      rows.push({ repository, tag: reference.slice(colon + 1), digest });
  }
  for (const [repository, list] of known) {
    if (tagged.has(repository)) continue;
    for (const digest of digests ? list : [NONE]) rows.push({ repository, tag: NONE, digest });
  }
  return rows;
}

const count = (n: number | undefined) => (n === undefined || n === -1 ? "N/A" : String(n));
const size = (n: number | undefined) => (n === undefined || n === -1 ? "N/A" : humanSize(n, 3));

function rowsOf(image: ImageSummary, digests: boolean, truncate: boolean): Row[] {
  return namesOf(image, digests).map(({ repository, tag, digest }) => ({
    Containers: count(image.Containers),
    CreatedAt: goTime(image.Created),
    CreatedSince: `${humanDuration(Date.now() / 1000 - image.Created)} ago`,
    Digest: digest,
    ID: truncate ? shortId(image.Id) : image.Id,
    Repository: repository,
    SharedSize: size(image.SharedSize),
    Size: humanSize(image.Size, 3),
    Tag: tag,
    UniqueSize: image.SharedSize === -1 ? "N/A" : size(image.Size - image.SharedSize),
    VirtualSize: humanSize(image.Size),
  }));
}

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
  ],
  args: { min: 0, max: 1 },
  async run({ cli, flags, args }) {
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
        headers,
        list.flatMap((image) => rowsOf(image, shown, !flags.bool("no-trunc"))),
      ),
    );
    return 0;
  },
};
