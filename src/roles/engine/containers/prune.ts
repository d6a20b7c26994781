// POST /containers/prune: every container that does not run.
import { badRequest } from "../errors.ts";
import type { Filters } from "../server/request.ts";
import { containerSizes } from "./inspect.ts";
import { removeContainer } from "./remove.ts";
import type { Room } from "./room.ts";
import { fromGoTime } from "./time.ts";

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** "24h", "1h30m", a Unix time or an RFC 3339 time → milliseconds since the epoch. */
function moment(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^(\d+(\.\d+)?[hms])+$/.test(text)) {
    const seconds = [...text.matchAll(/(\d+(?:\.\d+)?)([hms])/g)].reduce(
      (sum, [, number, unit]) => sum + Number(number) * UNITS[unit!]!,
      0,
    );
    return Date.now() - seconds * 1000;
  }
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw badRequest(`invalid value for "until" filter: "${text}"`);
  return time;
}

export async function pruneContainers(
  room: Room,
  filters: Filters,
): Promise<{ ContainersDeleted: string[]; SpaceReclaimed: number }> {
  filters.allow(["label", "label!", "until"]);
  const until = filters.get("until")[0];
  const before = until === undefined ? Number.POSITIVE_INFINITY : moment(until);
  const deleted: string[] = [];
  let space = 0;
  for (const container of room.registry.list()) {
    const { record, state } = container;
    if (state.running || fromGoTime(record.Created) >= before || !filters.labels(record.Config.Labels))
      continue;
    const { rw } = await containerSizes(room, container).catch(() => ({ rw: 0 }));
    try {
      await removeContainer(room, container);
      deleted.push(container.id);
      space += rw;
    } catch {
      // Started or removed by somebody else meanwhile: not ours to prune.
    }
  }
  room.engine.events.publish("container", "prune", {
    ID: "",
    Attributes: { reclaimed: String(space) },
  });
  return { ContainersDeleted: deleted, SpaceReclaimed: space };
}
