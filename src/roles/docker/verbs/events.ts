import type { EventActor } from "../../../spec/engine/events.ts";
import { lines } from "../../../wire/engine/lines.ts";
import type { Command } from "../command.ts";
import { filterFlag, filterQuery } from "../flags/filter.ts";
import { timestamp } from "../format/time.ts";
import { rfc3339 } from "../format/words.ts";
import { compile } from "../template/evaluate.ts";
import { fromJson, toJson } from "../template/value.ts";

interface Event {
  Type: string;
  Action: string;
  Actor: EventActor;
  time: number;
  timeNano: number | bigint;
}

function line(event: Event): string {
  const nano = BigInt(event.timeNano ?? 0);
  const seconds = nano === 0n ? event.time : Number(nano / 1_000_000_000n);
  const fraction = String(nano % 1_000_000_000n).padStart(9, "0");
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .sort();
  const details = attributes.length > 0 ? ` (${attributes.join(", ")})` : "";
  return `${rfc3339(seconds, fraction)} ${event.Type} ${event.Action} ${event.Actor.ID}${details}`;
}

export const events: Command = {
  use: "[OPTIONS]",
  short: "Get real time events from the server",
  aliases: ["docker system events", "docker events"],
  flags: [
    filterFlag,
    {
      name: "format",
      kind: "string",
      usage: `Format output using a custom template:
'json': Print in JSON format
'TEMPLATE': Print output using the given Go template`,
    },
    { name: "since", kind: "string", usage: "Show all events created since timestamp" },
    { name: "until", kind: "string", usage: "Stream events until this timestamp" },
  ],
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const format = flags.string("format");
    const template = format === "" || format === "json" ? undefined : compile(format);
    const time = (name: string) => (flags.string(name) === "" ? undefined : timestamp(flags.string(name)));
    const body = await cli.client.bytes("GET", "/events", {
      query: { filters: filterQuery(flags.list("filter")), since: time("since"), until: time("until") },
    });
    for await (const text of lines(body)) {
      if (text === "") continue;
      const event = fromJson(text) as Event;
      const shown = template ? template.execute(event) : format === "json" ? toJson(event) : line(event);
      cli.out(`${shown}\n`);
    }
    return 0;
  },
};
