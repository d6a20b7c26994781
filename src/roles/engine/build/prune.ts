// POST /build/prune. The classic builder's cache is its nameless images: those that nothing is made from go.
import type { Engine } from "../engine.ts";
import { ApiError } from "../errors.ts";
import { createdAt } from "../images/list.ts";
import { reclaimed } from "../images/prune.ts";
import type { Filters } from "../server/request.ts";
import { parseTime } from "../system/time.ts";
import { pruneRunCaches } from "./run-mounts.ts";
import { CACHE_LABEL } from "./state.ts";

export interface CachePruneReport {
  CachesDeleted: string[] | null;
  SpaceReclaimed: number;
}

/** Filters: `until` (with `unused-for`, its older name) and `id`. ApiError 400 for others. */
export async function pruneBuildCache(engine: Engine, filters: Filters): Promise<CachePruneReport> {
  filters.allow(["until", "unused-for", "id", "type", "inuse", "shared", "private", "parent", "description"]);
  const times = [...filters.get("until"), ...filters.get("unused-for")].map((text) =>
    Number(parseTime(text) / 1_000_000n),
  );
  const before = await engine.images.list();
  const deleted: string[] = [];
  for (const image of before) {
    if (image.repoTags.length > 0 || before.some(({ parent }) => parent === image.id)) continue;
    if (!image.records.some(({ labels }) => labels[CACHE_LABEL] !== undefined)) continue;
    if (engine.containers.usingImage(image.id).length > 0) continue;
    if (times.some((time) => createdAt(image) > time)) continue;
    if (!filters.any("id", (id) => image.id.replace("sha256:", "").startsWith(id))) continue;
    try {
      const items = await engine.images.remove(image.id, { force: true });
      deleted.push(...items.flatMap((item) => ("Deleted" in item ? [item.Deleted] : [])));
    } catch (error) {
      // Taken into use meanwhile.
      if (!(error instanceof ApiError) || error.status >= 500) throw error;
    }
  }
  // A cache directory has no age worth asking for: it goes only when everything may.
  if (times.length === 0 && filters.get("id").length === 0) pruneRunCaches(engine.config.dataRoot);
  return {
    CachesDeleted: deleted.length > 0 ? deleted : null,
    SpaceReclaimed: reclaimed(before, await engine.images.list()),
  };
}
