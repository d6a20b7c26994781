// GET /events: what was kept since `since`, then what comes, until `until` or until the client goes.
import type { EventMessage } from "../../../spec/engine/events.ts";
import type { Engine } from "../engine.ts";
import { badRequest } from "../errors.ts";
import { Filters, type RouteContext } from "../server/request.ts";
import { streamJson } from "../server/stream.ts";
import { parseTime } from "./time.ts";

const FILTERS = [
  "config",
  "container",
  "daemon",
  "event",
  "image",
  "label",
  "label!",
  "network",
  "node",
  "plugin",
  "scope",
  "secret",
  "service",
  "type",
  "volume",
] as const;

/** Whether an event passes (moby: daemon/events/filter.go). */
export function eventPasses(filters: Filters, event: EventMessage): boolean {
  const { ID: id, Attributes: attributes } = event.Actor;
  const name = attributes["name"];
  const about = (type: EventMessage["Type"], matches: (wanted: string) => boolean): boolean =>
    filters.get(type).length === 0 || (event.Type === type && filters.get(type).some(matches));
  const byIdOrName = (wanted: string): boolean =>
    id === wanted ||
    name === wanted ||
    (wanted.length > 0 && (id.startsWith(wanted) || name?.startsWith(wanted) === true));
  const bare = (text: string | undefined): string | undefined => text?.replace(/:[^/:]*$/, "");
  const byImage = (wanted: string): boolean => {
    const image = event.Type === "image" ? name : attributes["image"];
    return id === wanted || image === wanted || bare(image) === wanted || bare(id) === wanted;
  };
  return (
    filters.any("event", (action) => event.Action === action || event.Action.startsWith(`${action}:`)) &&
    filters.any("type", (type) => event.Type === type) &&
    filters.any("scope", (scope) => event.scope === scope) &&
    about("container", byIdOrName) &&
    about("volume", byIdOrName) &&
    about("network", byIdOrName) &&
    about("daemon", byIdOrName) &&
    about("plugin", byIdOrName) &&
    (filters.get("image").length === 0 ||
      ((event.Type === "image" || event.Type === "container") && filters.get("image").some(byImage))) &&
    filters.labels(attributes)
  );
}

/** Events that are kept for a reader that takes none; then its stream ends. */
const BACKLOG = 10_000;

export function eventStream(engine: Engine, c: RouteContext): Response {
  const filters = Filters.parse(c.req.query("filters")).allow(FILTERS);
  const now = BigInt(Date.now()) * 1_000_000n;
  const time = (key: string): bigint | undefined => {
    const text = c.req.query(key);
    return text ? parseTime(text, now) : undefined;
  };
  const since = time("since");
  const until = time("until");
  if (since !== undefined && until !== undefined && since > until) {
    throw badRequest("`since` time must be before `until` time"); // docker says it with these quotes
  }
  return streamJson(c, { shutdown: engine.shutdown, newline: "\n" }, async (write, signal) => {
    const queue: EventMessage[] = [];
    const overrun = new AbortController();
    let wake: (() => void) | undefined;
    const subscription = engine.events.subscribe(
      (event) => {
        // A reader that does not read must not fill the memory: what it has missed by then, it has missed for good.
        if (queue.length === BACKLOG) overrun.abort();
        else queue.push(event);
        wake?.();
      },
      since ?? (until === undefined ? undefined : 0n),
    );
    try {
      for (const event of subscription.replay) {
        if ((until === undefined || event.timeNano <= until) && eventPasses(filters, event))
          await write(event);
      }
      const end = new AbortController();
      const timer =
        until === undefined
          ? undefined
          : setTimeout(
              () => end.abort(),
              Math.min(Math.max(Number((until - now) / 1_000_000n), 0), 2 ** 31 - 1),
            );
      const stop = AbortSignal.any([signal, end.signal, overrun.signal]);
      stop.addEventListener("abort", () => wake?.(), { once: true });
      while (!stop.aborted) {
        const event = queue.shift();
        if (event === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        } else if (eventPasses(filters, event)) await write(event);
      }
      clearTimeout(timer);
    } finally {
      subscription.close();
    }
  });
}
