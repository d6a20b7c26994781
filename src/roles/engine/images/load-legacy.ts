// Archives of docker save from before 1.10: a directory for each layer with its own json, and `repositories` in place of a manifest.
// moby: image/tarexport legacyLoad, image/v1
import { z } from "zod";
import type { Fd } from "../../../../ffi/fd.ts";
import { toByteName } from "../../../../ffi/tree.ts";
import type { DockerImageConfig, ImageHistory } from "../../../spec/engine/image.ts";
import { contentOf, findIn, readIn, reopened } from "../build/tree.ts";
import { badRequest } from "../errors.ts";
import type { ArchivedImage } from "./load-archive.ts";

const repositories = z.record(z.string(), z.record(z.string(), z.string()));

const layerJson = z.looseObject({
  id: z.string(),
  parent: z.string().optional(),
  created: z.string().optional(),
  author: z.string().optional(),
  comment: z.string().optional(),
  container_config: z.looseObject({ Cmd: z.array(z.string()).nullish() }).nullish(),
  throwaway: z.boolean().optional(),
});
type LayerJson = z.output<typeof layerJson>;

/** What v1 kept of a layer and an image's config does not. */
const DROPPED: ReadonlySet<string> = new Set(["id", "parent", "parent_id", "layer_id", "throwaway", "Size"]);
const ID = /^[a-f0-9]{64}$/;
/** More layers than any storage driver took. */
const DEEPEST = 127;

function read<T extends z.ZodType>(root: Fd, path: string, schema: T): z.output<T> {
  const bytes = readIn(root, toByteName(path));
  if (!bytes) throw badRequest(`invalid archive: ${path} is missing`);
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    throw badRequest(`invalid archive: ${path} is not as expected`);
  }
}

/** The layers of an image, lowest first. */
function chainOf(root: Fd, top: string): LayerJson[] {
  const chain: LayerJson[] = [];
  for (let id: string | undefined = top; id; ) {
    if (!ID.test(id)) throw badRequest(`invalid archive: ${JSON.stringify(id)} is no layer id`);
    if (chain.length >= DEEPEST) throw badRequest("invalid archive: max depth exceeded");
    const layer: LayerJson = read(root, `${id}/json`, layerJson);
    chain.unshift(layer);
    id = layer.parent;
  }
  return chain;
}

/** Digest of a layer's tar; undefined when it holds nothing but the blocks that end an archive. */
function diffIdOf(root: Fd, path: string): string | undefined {
  const found = findIn(root, toByteName(path));
  if (!found) throw badRequest(`invalid archive: ${path} is missing`);
  using place = found.fd;
  using file = reopened(place);
  const hash = new Bun.CryptoHasher("sha256");
  let empty = true;
  for (const chunk of contentOf(file)) {
    hash.update(chunk);
    empty &&= chunk.every((byte) => byte === 0);
  }
  return empty ? undefined : `sha256:${hash.digest("hex")}`;
}

function imageOf(root: Fd, top: string): ArchivedImage {
  const chain = chainOf(root, top);
  const layers: string[] = [];
  const diffIds: string[] = [];
  const history = chain.map((layer): ImageHistory => {
    const path = `${layer.id}/layer.tar`;
    const diffId = layer.throwaway ? undefined : diffIdOf(root, path);
    if (diffId !== undefined) {
      layers.push(path);
      diffIds.push(diffId);
    }
    const createdBy = (layer.container_config?.Cmd ?? []).join(" ");
    return {
      ...(layer.created ? { created: layer.created } : {}),
      ...(layer.author ? { author: layer.author } : {}),
      ...(createdBy ? { created_by: createdBy } : {}),
      ...(layer.comment ? { comment: layer.comment } : {}),
      ...(diffId === undefined ? { empty_layer: true } : {}),
    };
  });
  const own = Object.fromEntries(Object.entries(chain.at(-1)!).filter(([key]) => !DROPPED.has(key)));
  const config = {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    ...own,
    history,
    rootfs: { type: "layers", diff_ids: diffIds },
  } as DockerImageConfig;
  return { names: [], config, configBytes: new TextEncoder().encode(JSON.stringify(config)), layers };
}

/** The images that `repositories` names. ApiError 400 for an archive that is not as old as it looks. */
export function readLegacyArchive(root: Fd): ArchivedImage[] {
  const images = new Map<string, ArchivedImage>();
  for (const [name, tags] of Object.entries(read(root, "repositories", repositories))) {
    for (const [tag, id] of Object.entries(tags)) {
      const image = images.get(id) ?? imageOf(root, id);
      images.set(id, image);
      image.names.push(`${name}:${tag}`);
    }
  }
  return [...images.values()];
}
