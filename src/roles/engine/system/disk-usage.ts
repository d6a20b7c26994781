// GET /system/df: what takes the room, by kind.
import type { DiskUsage } from "../../../spec/engine/system.ts";
import type { VolumeInspect } from "../../../spec/engine/volume.ts";
import type { Engine } from "../engine.ts";
import { badRequest } from "../errors.ts";
import { sharedSizes, summarize } from "../images/list.ts";
import { Filters } from "../server/request.ts";
import { atLeast } from "../server/version.ts";
import { inspectVolume } from "../volumes/routes.ts";
import { diskUsage } from "../volumes/usage.ts";

const TYPES = ["container", "image", "volume", "build-cache"] as const;
type UsageType = (typeof TYPES)[number];

async function images(engine: Engine, apiVersion: string): Promise<Pick<DiskUsage, "LayersSize" | "Images">> {
  const all = await engine.images.list();
  const layers = new Map(all.flatMap(({ chain }) => chain.map(({ chainId, size }) => [chainId, size])));
  const shared = sharedSizes(all);
  return {
    // Each layer once, however many images it is part of.
    LayersSize: [...layers.values()].reduce((sum, size) => sum + size, 0),
    Images: summarize(all, Filters.parse(undefined), { apiVersion }).map((image) => ({
      ...image,
      SharedSize: shared.get(image.Id) ?? 0,
      Containers: engine.containers.usingImage(image.Id).length,
    })),
  };
}

async function volumes(engine: Engine): Promise<VolumeInspect[]> {
  return await Promise.all(
    engine.volumes.list().map(async (volume) => ({
      ...inspectVolume(volume),
      UsageData: {
        RefCount: engine.containers.usingVolume(volume.name).length,
        Size: await diskUsage(volume.mountpoint),
      },
    })),
  );
}

/** @param types from the query; none means all of them. ApiError 400 for one that is unknown. */
export async function systemDiskUsage(
  engine: Engine,
  types: readonly string[],
  apiVersion: string,
): Promise<DiskUsage> {
  const choosing = atLeast(apiVersion, "1.42");
  for (const type of types) {
    if (choosing && !TYPES.includes(type as UsageType)) throw badRequest(`unknown object type: ${type}`);
  }
  const wanted = (type: UsageType): boolean => types.length === 0 || !choosing || types.includes(type);
  const counted = wanted("image") ? await images(engine, apiVersion) : { LayersSize: 0, Images: null };
  return {
    ...counted,
    Containers: wanted("container") ? await engine.containers.summaries() : null,
    Volumes: wanted("volume") ? await volumes(engine) : null,
    // The classic builder's cache is its images, which are counted there.
    BuildCache: wanted("build-cache") ? [] : null,
  };
}
