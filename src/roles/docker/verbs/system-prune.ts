import { EngineError } from "../../../wire/engine/client.ts";
import type { Command } from "../command.ts";
import { pruneFilterFlag } from "../flags/filter.ts";
import { humanSize } from "../format/units.ts";
import { buildCache, containers, images, networks, volumes } from "../prune/kinds.ts";
import { confirm } from "../session/confirm.ts";
import { forceFlag } from "./prune.ts";

export const systemPrune: Command = {
  use: "[OPTIONS]",
  short: "Remove unused data",
  flags: [
    { name: "all", short: "a", kind: "bool", usage: "Remove all unused images not just dangling ones" },
    pruneFilterFlag("label=<key>=<value>"),
    forceFlag,
    { name: "volumes", kind: "bool", usage: "Prune anonymous volumes" },
  ],
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const all = flags.bool("all");
    const filters = [...(cli.config.pruneFilters ?? []), ...flags.list("filter")];
    const withVolumes = flags.bool("volumes");
    if (withVolumes && flags.list("filter").some((filter) => /^until=/i.test(filter))) {
      throw new Error('ERROR: The "until" filter is not supported with "--volumes"');
    }
    const kinds = [containers, networks, ...(withVolumes ? [volumes] : []), images, buildCache];
    if (!flags.bool("force")) {
      const lines = kinds.map((kind) => `\n  - ${kind.line(all)}`).join("");
      const shown = filters.filter((filter) => /^(label!?|until)=/i.test(filter)).sort();
      const chosen =
        shown.length === 0
          ? ""
          : `\n  Items to be pruned will be filtered with:${shown.map((filter) => `\n  - ${filter}`).join("")}\n`;
      const question = `WARNING! This will remove:${lines}\n${chosen}\nAre you sure you want to continue?`;
      if (!(await confirm(cli, question))) return 0;
    }
    let reclaimed = 0;
    for (const kind of kinds) {
      // --all is about images and build cache; named volumes are only taken by `volume prune -a`.
      const pruned = await kind
        .run(cli, { all: all && kind !== volumes, filters })
        .catch((error: unknown) => {
          // An engine that has no such thing has none of it to remove.
          if (error instanceof EngineError && error.status === 501) return { text: "", reclaimed: 0 };
          throw error;
        });
      reclaimed += pruned.reclaimed ?? 0;
      if (pruned.text !== "") cli.out(`${pruned.text}\n`);
    }
    cli.out(`Total reclaimed space: ${humanSize(reclaimed)}\n`);
    return 0;
  },
};
