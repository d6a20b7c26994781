// The build cache: the images of earlier steps, and those that --cache-from names.
import type { ImageHistory } from "../../../spec/engine/image.ts";
import { chainIds } from "../../../spec/oci/image.ts";
import type { ImageStore, StoredImage } from "../images/store.ts";
import {
  CACHE_LABEL,
  type CommitGround,
  cacheKey,
  commitStep,
  type StageState,
  type StepImage,
  stepImage,
} from "./state.ts";
import type { Said } from "./wording.ts";

export interface BuildCache {
  /** The image after the step, if an earlier build (or a cache-from image) has made it. */
  find(state: StageState, said: Said): Promise<StepImage | undefined>;
}

/** --no-cache */
export const noCache: BuildCache = { find: async () => undefined };

const madeBy = (history: ImageHistory | undefined): string => history?.created_by ?? "";

/** Whether `image` begins with all that `base` is. */
function continues(image: StoredImage, base: StepImage): boolean {
  const own = image.config.history ?? [];
  const theirs = base.config.history ?? [];
  return (
    own.length > theirs.length &&
    theirs.every((entry, i) => madeBy(entry) === madeBy(own[i])) &&
    base.config.rootfs.diff_ids.every((diffId, i) => diffId === image.config.rootfs.diff_ids[i])
  );
}

/** One step of a cache-from image as an image of its own. */
async function restore(
  ground: CommitGround,
  state: StageState,
  said: Said,
  source: StoredImage,
): Promise<StepImage | undefined> {
  const history = source.config.history![state.image.config.history?.length ?? 0]!;
  if (history.empty_layer) return await commitStep(ground, state, said, undefined);
  const index = state.image.config.rootfs.diff_ids.length;
  const diffId = source.config.rootfs.diff_ids[index];
  const descriptor = source.layers[index];
  if (diffId === undefined || !descriptor) return undefined;
  const chainId = chainIds(source.config.rootfs.diff_ids)[index]!;
  return await commitStep(ground, state, said, { diffId, descriptor, chainId });
}

async function named(images: ImageStore, names: readonly string[]): Promise<StoredImage[]> {
  const found = await Promise.all(names.map((name) => images.get(name).catch(() => undefined)));
  return found.filter((image) => image !== undefined);
}

/** Whether one of `images` was made from `step`, or is it. */
function ledTo(step: StoredImage, images: readonly StoredImage[], all: readonly StoredImage[]): boolean {
  return images.some((image) => {
    for (let at: StoredImage | undefined = image; at; ) {
      if (at.id === step.id) return true;
      const { parent }: StoredImage = at;
      at = all.find(({ id }) => id === parent);
    }
    return false;
  });
}

/** @param from names of --cache-from; those that are not here are left out */
export function openCache(ground: CommitGround, from: readonly string[]): BuildCache {
  const { images } = ground.engine;
  return {
    async find(state, said) {
      const all = await images.list();
      const key = cacheKey(state, said);
      const children = all
        .filter((image) => image.records.some((record) => record.labels[CACHE_LABEL] === key))
        .filter((image) => state.image.id === "" || image.parent === state.image.id)
        .sort((a, b) => Date.parse(b.config.created ?? "") - Date.parse(a.config.created ?? ""));
      const sources = await named(images, from);
      // With --cache-from only what led to one of those images counts.
      const found = from.length === 0 ? children[0] : children.find((child) => ledTo(child, sources, all));
      if (found) return stepImage(found);
      // An image from elsewhere has its history to go by, which tells all of a step only in the classic words.
      if (said.key !== said.createdBy) return undefined;
      for (const source of sources) {
        if (!continues(source, state.image)) continue;
        const history = source.config.history!;
        const at = state.image.config.history?.length ?? 0;
        if (madeBy(history[at]) !== said.createdBy) continue;
        // Its last step is the image itself.
        if (at === history.length - 1) return stepImage(source);
        const step = await restore(ground, state, said, source);
        if (step) return step;
      }
      return undefined;
    },
  };
}
