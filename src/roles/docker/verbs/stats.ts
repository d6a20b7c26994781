import type { ContainerSummary } from "../../../spec/engine/container.ts";
import type { Cli } from "../cli.ts";
import { any, type Command } from "../command.ts";
import { reason } from "../errors.ts";
import { formatFlag } from "../flags/filter.ts";
import { shortId } from "../format/words.ts";
import { statsHeaders, statsRow } from "../stats/sample.ts";
import { StatsWatch } from "../stats/watch.ts";
import { render } from "../template/table.ts";

const TABLE =
  "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

/** Follows containers that come and go, from before the first list of them is asked for. */
async function followEvents(cli: Cli, watch: StatsWatch, all: boolean): Promise<void> {
  const events = await cli.client.bytes("GET", "/events", {
    query: { filters: JSON.stringify({ type: { container: true } }) },
  });
  void (async () => {
    const { jsonLines } = await import("../../../wire/engine/lines.ts");
    for await (const event of jsonLines<{ Action: string; Actor: { ID: string } }>(events)) {
      if (event.Action === "start" || (all && event.Action === "create"))
        void watch.add(shortId(event.Actor.ID));
      else if (event.Action === "destroy" || (!all && event.Action === "die"))
        watch.remove(shortId(event.Actor.ID));
    }
    // The engine ended.
    process.exit(0);
  })().catch(() => process.exit(1));
}

export const stats: Command = {
  use: "[OPTIONS] [CONTAINER...]",
  short: "Display a live stream of container(s) resource usage statistics",
  aliases: ["docker container stats", "docker stats"],
  flags: [
    { name: "all", short: "a", kind: "bool", usage: "Show all containers (default shows just running)" },
    formatFlag,
    { name: "no-stream", kind: "bool", usage: "Disable streaming stats and only pull the first result" },
    { name: "no-trunc", kind: "bool", usage: "Do not truncate output" },
  ],
  args: { min: 0, max: any },
  async run({ cli, flags, args }) {
    const once = flags.bool("no-stream");
    const all = flags.bool("all");
    const watch = new StatsWatch(cli.client, !once);
    let names: readonly string[] = args;
    if (args.length === 0) {
      if (!once) await followEvents(cli, watch, all);
      const list = await cli.client.json<ContainerSummary[]>("GET", "/containers/json", {
        query: { all: all || undefined },
      });
      names = list.map(({ Id }) => shortId(Id));
    }
    await Promise.all(names.map((name) => watch.add(name)));
    if (args.length > 0) {
      const failures = watch.list().filter(({ error }) => error !== undefined);
      if (failures.length > 0) throw new Error(failures.map(({ error }) => reason(error)).join("\n"));
    }
    let format = flags.string("format") || cli.config.statsFormat || "table";
    if (format === "table") format = TABLE;
    const screen = () =>
      render(
        format,
        statsHeaders,
        watch.list().map(({ container, sample }) => statsRow(container, sample, !flags.bool("no-trunc"))),
      );
    if (once) {
      if (watch.list().length > 0) cli.out(screen());
      return 0;
    }
    for (;;) {
      if (watch.list().length === 0 && args.length > 0) {
        cli.out("\x1b[H\x1b[J");
        return 0;
      }
      // From the top, each line's rest erased, and all below: no flicker.
      cli.out(
        `\x1b[H${screen()
          .split("\n")
          .map((line) => `${line}\x1b[K\n`)
          .join("")}\x1b[J`,
      );
      await Bun.sleep(500);
    }
  },
};
