// `docker container|network|volume|image|builder prune`.
import type { Command, Invocation } from "../command.ts";
import { pruneFilterFlag } from "../flags/filter.ts";
import type { Flag } from "../flags/flagset.ts";
import { humanSize } from "../format/units.ts";
import { buildCache, containers, images, networks, type PruneKind, volumes } from "../prune/kinds.ts";
import { confirm } from "../session/confirm.ts";

export const forceFlag: Flag = {
  name: "force",
  short: "f",
  kind: "bool",
  usage: "Do not prompt for confirmation",
};

const allFlag = (usage: string): Flag => ({ name: "all", short: "a", kind: "bool", usage });

async function prune(kind: PruneKind, { cli, flags }: Invocation, hasAll: boolean): Promise<number> {
  const all = hasAll && flags.bool("all");
  const given = flags.list("filter");
  if (kind === volumes && all && given.some((filter) => /^all=/i.test(filter))) {
    throw new Error("conflicting options: cannot specify both --all and --filter all=1");
  }
  if (!flags.bool("force") && !(await confirm(cli, kind.question(all)))) return 0;
  const { text, reclaimed } = await kind.run(cli, {
    all,
    filters: [...(cli.config.pruneFilters ?? []), ...given],
    keepStorage: kind === buildCache ? flags.number("keep-storage") : undefined,
  });
  if (text !== "") cli.out(`${text}\n`);
  if (kind !== networks) cli.out(`Total reclaimed space: ${humanSize(reclaimed ?? 0)}\n`);
  return 0;
}

const command = (
  kind: PruneKind,
  short: string,
  example: string,
  all?: string,
  more: readonly Flag[] = [],
): Command => ({
  use: kind === buildCache ? "" : "[OPTIONS]",
  short,
  flags: [...(all === undefined ? [] : [allFlag(all)]), pruneFilterFlag(example), forceFlag, ...more],
  args: { min: 0, max: 0 },
  run: (invocation) => prune(kind, invocation, all !== undefined),
});

export const pruneContainers = command(containers, "Remove all stopped containers", "until=<timestamp>");
export const pruneNetworks = command(networks, "Remove all unused networks", "until=<timestamp>");
export const pruneVolumes = command(
  volumes,
  "Remove unused local volumes",
  "label=<label>",
  "Remove all unused volumes, not just anonymous ones",
);
export const pruneImages = command(
  images,
  "Remove unused images",
  "until=<timestamp>",
  "Remove all unused images, not just dangling ones",
);
export const pruneBuilds = command(
  buildCache,
  "Remove build cache",
  "until=24h",
  "Remove all unused build cache, not just dangling ones",
  [{ name: "keep-storage", kind: "bytes", usage: "Amount of disk space to keep for cache" }],
);
