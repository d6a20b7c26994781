// GET /images/json: summaries and their filters.
import type { ImageSummary } from "../../../spec/engine/image.ts";
import { familiarName, familiarString, parseReference } from "../../../wire/distribution/reference.ts";
import { badRequest } from "../errors.ts";
import type { Filters } from "../server/request.ts";
import { atLeast } from "../server/version.ts";
import { parseTime } from "../system/time.ts";
import { resolveImage } from "./resolve.ts";
import type { StoredImage } from "./store.ts";

export const LIST_FILTERS = ["before", "dangling", "label", "label!", "reference", "since", "until"] as const;

/** Go's path.Match: `*` and `?` stop at a slash, `[a-z]` classes, `\` quotes. ApiError 400 on a bad pattern. */
export function globToRegExp(pattern: string): RegExp {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const end = pattern.indexOf("]", i + 2);
      if (end < 0) throw badRequest("syntax error in pattern");
      const body = pattern.slice(i + 1, end).replace(/\\/g, "\\\\");
      source += `[${body}]`;
      i = end;
    } else if (char === "\\") {
      i++;
      if (i >= pattern.length) throw badRequest("syntax error in pattern");
      source += pattern[i]!.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    } else source += char.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  }
  return new RegExp(`^${source}$`);
}

function matchesName(pattern: RegExp, name: string): boolean {
  const reference = parseReference(name);
  return pattern.test(familiarString(reference)) || pattern.test(familiarName(reference));
}

/** When the image was made: its config's time, in milliseconds (0 when it says nothing). */
export function createdAt(image: StoredImage): number {
  const time = Date.parse(image.config.created ?? "");
  return Number.isNaN(time) || time < 0 ? 0 : time;
}

/** The descriptor that the image's names point to, as inspect and list show it. */
export function targetOf({ records, targetDigest }: StoredImage): Pick<ImageSummary, "Descriptor"> {
  const target = records.find(({ target: { digest } }) => digest === targetDigest)?.target;
  if (!target) return {};
  return { Descriptor: { mediaType: target.mediaType, digest: target.digest, size: target.size } };
}

export interface ListOptions {
  apiVersion: string;
  /** Also the nameless images that others are made from. */
  all?: boolean;
  /** Count the bytes that images share. */
  sharedSize?: boolean;
}

/** By image id: the bytes of its layers that another image has as well. */
export function sharedSizes(images: readonly StoredImage[]): Map<string, number> {
  const owners = new Map<string, number>();
  for (const { chain } of images) {
    for (const { chainId } of chain) owners.set(chainId, (owners.get(chainId) ?? 0) + 1);
  }
  return new Map(
    images.map(({ id, chain }) => [
      id,
      chain.reduce((sum, layer) => sum + (owners.get(layer.chainId)! > 1 ? layer.size : 0), 0),
    ]),
  );
}

/** The images that pass, newest first, in the shape that the API version wants. */
export function summarize(
  images: readonly StoredImage[],
  filters: Filters,
  options: ListOptions,
): ImageSummary[] {
  filters.allow(LIST_FILTERS);
  const dangling = filters.flag("dangling");
  const edge = (key: string): number[] =>
    filters.get(key).map((name) => createdAt(resolveImage(images, name)));
  const before = edge("before");
  const since = edge("since");
  const until = filters.get("until").map((text) => Number(parseTime(text) / 1_000_000n));
  const patterns = filters.get("reference").map(globToRegExp);
  const parents = new Set(images.map(({ parent }) => parent));
  const shared = options.sharedSize ? sharedSizes(images) : undefined;
  const summaries: ImageSummary[] = [];
  for (const image of images) {
    const created = createdAt(image);
    if (before.some((time) => created >= time) || since.some((time) => created <= time)) continue;
    if (until.some((time) => created > time)) continue;
    if (!filters.labels(image.config.config?.Labels)) continue;
    let { repoTags, repoDigests } = image;
    if (patterns.length > 0) {
      repoTags = repoTags.filter((name) => patterns.some((pattern) => matchesName(pattern, name)));
      repoDigests = repoDigests.filter((name) => patterns.some((pattern) => matchesName(pattern, name)));
      if (repoTags.length === 0 && repoDigests.length === 0) continue;
    }
    const nameless = image.repoTags.length === 0;
    // What the classic builder left between its steps.
    if (!options.all && nameless && repoDigests.length === 0 && parents.has(image.id)) continue;
    if (dangling !== undefined && dangling !== nameless) continue;
    if (nameless && repoDigests.length === 0 && !atLeast(options.apiVersion, "1.43")) {
      repoTags = ["<none>:<none>"];
      repoDigests = ["<none>@<none>"];
    }
    summaries.push({
      Id: image.id,
      ParentId: image.parent,
      RepoTags: repoTags,
      RepoDigests: repoDigests,
      Created: Math.floor(created / 1000),
      Size: image.size,
      SharedSize: shared?.get(image.id) ?? -1,
      ...(atLeast(options.apiVersion, "1.44") ? {} : { VirtualSize: image.size }),
      Labels: image.config.config?.Labels ?? null,
      Containers: -1,
      ...(atLeast(options.apiVersion, "1.48") ? targetOf(image) : {}),
    });
  }
  return summaries.sort((a, b) => b.Created - a.Created);
}
