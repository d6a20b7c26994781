// A stage under way: the image so far, and how the next one is made of it.
import type { DockerImageConfig, ImageRunConfig } from "../../../spec/engine/image.ts";
import type { PlatformSpec } from "../../../spec/oci/platform.ts";
import type { Descriptor } from "../../../wire/containerd/services.ts";
import { PARENT_LABEL } from "../images/catalog.ts";
import { runConfig } from "../images/run-config.ts";
import type { StoredImage } from "../images/store.ts";
import type { StoredLayer } from "../images/write.ts";
import type { MetadataState } from "./metadata.ts";
import type { StepGround } from "./step.ts";
import type { Said } from "./wording.ts";

/** On an image's record: the instruction and all that went into it; a later build that needs the same takes the image. */
export const CACHE_LABEL = "dev.bunker.build.key";

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** An image as the steps of a build pass it on. */
export interface StepImage {
  /** "" for scratch. */
  id: string;
  config: DockerImageConfig;
  layers: readonly Descriptor[];
  /** The snapshot that holds it, "" for none. */
  chainId: string;
}

export interface StageState extends MetadataState {
  image: StepImage;
  /** Once one step was not in the cache the later ones are not looked for. */
  cacheBroken: boolean;
}

export const stepImage = ({ id, config, layers, chainId }: StoredImage): StepImage => ({
  id,
  config,
  layers,
  chainId,
});

/** FROM scratch. */
export const scratchImage = (platform: PlatformSpec): StepImage => ({
  id: "",
  config: {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant ? { variant: platform.variant } : {}),
    rootfs: { type: "layers", diff_ids: [] },
    history: [],
  },
  layers: [],
  chainId: "",
});

/** The state at the beginning of a stage, and the ONBUILD triggers that its base asks to run. */
export function beginStage(image: StepImage): { state: StageState; triggers: string[] } {
  const config: ImageRunConfig = structuredClone(image.config.config ?? {});
  const triggers = config.OnBuild ?? [];
  config.OnBuild = null;
  if (!(config.Env ?? []).some((entry) => entry.startsWith("PATH="))) {
    config.Env = [...(config.Env ?? []), DEFAULT_PATH];
  }
  return { state: { image, config, cmdSet: false, maintainer: "", cacheBroken: false }, triggers };
}

/** JSON with its keys in order, so that equal configurations have equal texts; what is empty is left out. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    const entries = Object.entries(item).filter(([, v]) => v !== null && v !== undefined && v !== "");
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** What makes a step the same as one of an earlier build. */
export function cacheKey(state: StageState, said: Said): string {
  const { Image: _image, Hostname: _host, ...config } = state.config;
  const facts = canonical([state.image.id, said.key, config, state.maintainer]);
  return `sha256:${new Bun.CryptoHasher("sha256").update(facts).digest("hex")}`;
}

export type CommitGround = Pick<StepGround, "engine" | "wording">;

/** Stores the image after one more step. Without a layer it only says other things of itself. */
export async function commitStep(
  { engine, wording }: CommitGround,
  state: StageState,
  said: Said,
  layer: (StoredLayer & { chainId: string }) | undefined,
): Promise<StepImage> {
  const { image } = state;
  const created = new Date().toISOString();
  const key = cacheKey(state, said);
  const config: DockerImageConfig = {
    ...image.config,
    created,
    ...(state.maintainer ? { author: state.maintainer } : {}),
    config: { ...runConfig(state.config), ...(image.id && wording.namesParent ? { Image: image.id } : {}) },
    rootfs: {
      type: "layers",
      diff_ids: [...image.config.rootfs.diff_ids, ...(layer ? [layer.diffId] : [])],
    },
    history: [
      ...(image.config.history ?? []),
      {
        created,
        created_by: said.createdBy,
        ...(said.comment ? { comment: said.comment } : {}),
        ...(state.maintainer ? { author: state.maintainer } : {}),
        ...(layer ? {} : { empty_layer: true }),
      },
    ],
  };
  // Of the base's own making, not of this image's.
  delete config.container;
  const layers = layer ? [...image.layers, layer.descriptor] : image.layers;
  const labels = { [CACHE_LABEL]: key, ...(image.id ? { [PARENT_LABEL]: image.id } : {}) };
  const id = await engine.images.create({ config, layers }, labels);
  return { id, config, layers, chainId: layer?.chainId ?? image.chainId };
}
