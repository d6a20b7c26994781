// POST /images/prune: the images that nobody names, or with dangling=false those that no container uses.
import type { ImageDeleteItem } from "../../../spec/engine/image.ts";
import type { Engine } from "../engine.ts";
import { ApiError } from "../errors.ts";
import type { Filters } from "../server/request.ts";
import { parseTime } from "../system/time.ts";
import { createdAt } from "./list.ts";
import type { StoredImage } from "./store.ts";

export interface PruneReport {
  ImagesDeleted: ImageDeleteItem[] | null;
  SpaceReclaimed: number;
}

/** Bytes of the layers of `before` that none of `after` has any more. */
export function reclaimed(before: readonly StoredImage[], after: readonly StoredImage[]): number {
  const left = new Set(after.flatMap(({ chain }) => chain.map(({ chainId }) => chainId)));
  const gone = new Map(before.flatMap(({ chain }) => chain.map(({ chainId, size }) => [chainId, size])));
  let total = 0;
  for (const [chainId, size] of gone) if (!left.has(chainId)) total += size;
  return total;
}

/** What the filters leave of the images that no container uses and none is made from. ApiError 400 for a bad filter. */
function candidates(engine: Engine, images: readonly StoredImage[], filters: Filters): StoredImage[] {
  const until = filters.get("until").map((text) => Number(parseTime(text) / 1_000_000n));
  const danglingOnly = filters.flag("dangling") ?? true;
  return images.filter(
    (image) =>
      !(danglingOnly && image.repoTags.length > 0) &&
      !images.some(({ parent }) => parent === image.id) &&
      engine.containers.usingImage(image.id).length === 0 &&
      filters.labels(image.config.config?.Labels) &&
      !until.some((time) => createdAt(image) > time),
  );
}

export async function pruneImages(engine: Engine, filters: Filters): Promise<PruneReport> {
  filters.allow(["dangling", "label", "label!", "until"]);
  const before = await engine.images.list();
  const deleted: ImageDeleteItem[] = [];
  for (const { id } of candidates(engine, before, filters)) {
    try {
      // By its id, with all its names.
      deleted.push(...(await engine.images.remove(id, { force: true })));
    } catch (error) {
      // Taken into use, or removed by somebody else, meanwhile: not ours to prune.
      if (!(error instanceof ApiError) || error.status >= 500) throw error;
    }
  }
  const space = reclaimed(before, await engine.images.list());
  engine.events.publish("image", "prune", { ID: "", Attributes: { reclaimed: String(space) } });
  return { ImagesDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: space };
}
