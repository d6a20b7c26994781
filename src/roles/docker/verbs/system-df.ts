import type { ContainerSummary } from "../../../spec/engine/container.ts";
import type { ImageSummary } from "../../../spec/engine/image.ts";
import type { VolumeInspect } from "../../../spec/engine/volume.ts";
import type { Command } from "../command.ts";
import { formatFlag } from "../flags/filter.ts";
import {
  buildCacheHeaders,
  buildCacheRow,
  type CacheRecord,
  sortBuildCache,
} from "../format/build-cache-row.ts";
import { containerHeaders, containerRow } from "../format/container-row.ts";
import { imageHeaders, imageRow } from "../format/image-row.ts";
import { humanSize } from "../format/units.ts";
import { volumeHeaders, volumeRow } from "../format/volume-row.ts";
import { compile } from "../template/evaluate.ts";
import { type Row, render } from "../template/table.ts";
import { toJson } from "../template/value.ts";

interface Usage {
  LayersSize: number;
  Images: ImageSummary[] | null;
  Containers: ContainerSummary[] | null;
  Volumes: VolumeInspect[] | null;
  BuildCache: CacheRecord[] | null;
}

const headers = {
  Active: "ACTIVE",
  Reclaimable: "RECLAIMABLE",
  Size: "SIZE",
  TotalCount: "TOTAL",
  Type: "TYPE",
};

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

const share = (part: number, whole: number): string =>
  whole > 0 ? `${humanSize(part)} (${Math.trunc((part * 100) / whole)}%)` : humanSize(part);

const row = (type: string, total: number, active: number, size: number, reclaimable: string): Row => ({
  Active: String(active),
  Reclaimable: reclaimable,
  Size: humanSize(size),
  TotalCount: String(total),
  Type: type,
});

function summary(usage: Usage): Row[] {
  const images = usage.Images ?? [];
  const containers = usage.Containers ?? [];
  const volumes = (usage.Volumes ?? []).map(({ UsageData: data }) => data ?? { RefCount: -1, Size: -1 });
  const cache = usage.BuildCache ?? [];
  const used = images.filter(
    (image) => image.Containers !== 0 && image.Size !== -1 && image.SharedSize !== -1,
  );
  const running = /running|paused|restarting/;
  const writable = (list: readonly ContainerSummary[]) => sum(list.map(({ SizeRw }) => SizeRw ?? 0));
  const inactive = containers.filter(({ State }) => !running.test(State));
  const counted = volumes.filter(({ Size }) => Size !== -1);
  const volumeSize = sum(counted.map(({ Size }) => Size));
  const own = cache.filter(({ Shared }) => !Shared);
  const cacheSize = sum(own.map(({ Size }) => Size));
  return [
    row(
      "Images",
      images.length,
      images.filter((image) => image.Containers > 0).length,
      usage.LayersSize,
      share(usage.LayersSize - sum(used.map((image) => image.Size - image.SharedSize)), usage.LayersSize),
    ),
    row(
      "Containers",
      containers.length,
      containers.length - inactive.length,
      writable(containers),
      share(writable(inactive), writable(containers)),
    ),
    row(
      "Local Volumes",
      volumes.length,
      volumes.filter(({ RefCount }) => RefCount > 0).length,
      volumeSize,
      share(sum(counted.filter(({ RefCount }) => RefCount === 0).map(({ Size }) => Size)), volumeSize),
    ),
    row(
      "Build Cache",
      cache.length,
      cache.filter(({ InUse }) => InUse).length,
      cacheSize,
      humanSize(cacheSize - sum(own.filter(({ InUse }) => InUse).map(({ Size }) => Size))),
    ),
  ];
}

// The first name only, whatever else the image is called.
function imageOf(image: ImageSummary, truncate: boolean): Row {
  const first = (image.RepoTags ?? []).find((tag) => tag !== "<none>:<none>");
  const colon = first?.lastIndexOf(":") ?? -1;
  const name =
    first === undefined
      ? { repository: "<none>", tag: "<none>", digest: "<none>" }
      : { repository: first.slice(0, colon), tag: first.slice(colon + 1), digest: "<none>" };
  return imageRow(image, name, truncate);
}

function details(usage: Usage, truncate: boolean) {
  return {
    // Engines before API 1.43 name what has no name; the docker CLI skips those.
    Images: (usage.Images ?? [])
      .filter((image) => image.RepoTags?.[0] !== "<none>:<none>")
      .map((image) => imageOf(image, truncate)),
    // Without the size of the image below.
    Containers: (usage.Containers ?? []).map((one) => containerRow({ ...one, SizeRootFs: 0 }, truncate)),
    Volumes: (usage.Volumes ?? []).map(volumeRow),
    BuildCache: sortBuildCache(usage.BuildCache ?? []).map((record) => buildCacheRow(record, truncate)),
  };
}

function verboseTables(usage: Usage): string {
  const { Images, Containers, Volumes, BuildCache } = details(usage, true);
  const size = sum((usage.BuildCache ?? []).filter(({ Shared }) => !Shared).map(({ Size }) => Size));
  return [
    "Images space usage:\n\n",
    render(
      "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
      imageHeaders,
      Images,
    ),
    "\nContainers space usage:\n\n",
    render(
      "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
      containerHeaders,
      Containers,
    ),
    "\nLocal Volumes space usage:\n\n",
    render("table {{.Name}}\t{{.Links}}\t{{.Size}}", volumeHeaders, Volumes),
    `\nBuild cache usage: ${humanSize(size)}\n\n`,
    render(
      "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}",
      buildCacheHeaders,
      BuildCache,
    ),
  ].join("");
}

export const systemDf: Command = {
  use: "[OPTIONS]",
  short: "Show docker disk usage",
  flags: [
    formatFlag,
    { name: "verbose", short: "v", kind: "bool", usage: "Show detailed information on space usage" },
  ],
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const usage = await cli.client.json<Usage>("GET", "/system/df");
    const format = flags.string("format") || "table";
    if (!flags.bool("verbose")) {
      const table = "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
      cli.out(render(format === "table" ? table : format, headers, summary(usage)));
    } else if (format === "table") cli.out(verboseTables(usage));
    else if (format === "json") cli.out(`${toJson(details(usage, false))}\n`);
    else cli.out(compile(format).execute(details(usage, false)));
    return 0;
  },
};
