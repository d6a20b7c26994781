// An image in a list.
import type { ImageSummary } from "../../../spec/engine/image.ts";
import type { Row } from "../template/table.ts";
import { humanDuration, humanSize } from "./units.ts";
import { goTime, shortId } from "./words.ts";

export const imageHeaders = {
  Containers: "CONTAINERS",
  CreatedAt: "CREATED AT",
  CreatedSince: "CREATED",
  Digest: "DIGEST",
  ID: "IMAGE ID",
  Repository: "REPOSITORY",
  SharedSize: "SHARED SIZE",
  Size: "SIZE",
  Tag: "TAG",
  UniqueSize: "UNIQUE SIZE",
  VirtualSize: "SIZE",
};

const NONE = "<none>";

export interface ImageName {
  repository: string;
  tag: string;
  digest: string;
}

// An image is a row for each of its names.
function namesOf(image: ImageSummary, digests: boolean): ImageName[] {
  const tags = (image.RepoTags ?? []).filter((tag) => tag !== `${NONE}:${NONE}`);
  const known = new Map<string, string[]>();
  for (const reference of image.RepoDigests ?? []) {
    const at = reference.lastIndexOf("@");
    const repository = reference.slice(0, at);
    if (repository !== NONE)
      known.set(repository, [...(known.get(repository) ?? []), reference.slice(at + 1)]);
  }
  if (tags.length === 0 && known.size === 0) return [{ repository: NONE, tag: NONE, digest: NONE }];
  const rows: ImageName[] = [];
  const tagged = new Set<string>();
  for (const reference of tags) {
    const colon = reference.lastIndexOf(":");
    const repository = reference.slice(0, colon);
    tagged.add(repository);
    const own = digests ? (known.get(repository) ?? []) : [];
    for (const digest of own.length > 0 ? own : [NONE])
      rows.push({ repository, tag: reference.slice(colon + 1), digest });
  }
  for (const [repository, list] of known) {
    if (tagged.has(repository)) continue;
    for (const digest of digests ? list : [NONE]) rows.push({ repository, tag: NONE, digest });
  }
  return rows;
}

const count = (n: number | undefined) => (n === undefined || n === -1 ? "N/A" : String(n));
const size = (n: number | undefined) => (n === undefined || n === -1 ? "N/A" : humanSize(n, 3));

/** The row of an image under one of its names. */
export const imageRow = (
  image: ImageSummary,
  { repository, tag, digest }: ImageName,
  truncate: boolean,
): Row => ({
  Containers: count(image.Containers),
  CreatedAt: goTime(image.Created),
  CreatedSince: `${humanDuration(Date.now() / 1000 - image.Created)} ago`,
  Digest: digest,
  ID: truncate ? shortId(image.Id) : image.Id,
  Repository: repository,
  SharedSize: size(image.SharedSize),
  Size: humanSize(image.Size, 3),
  Tag: tag,
  UniqueSize: image.SharedSize === -1 ? "N/A" : size(image.Size - image.SharedSize),
  VirtualSize: humanSize(image.Size),
});

/** The rows of an image, one for each of its names. */
export const imageRows = (image: ImageSummary, digests: boolean, truncate: boolean): Row[] =>
  namesOf(image, digests).map((name) => imageRow(image, name, truncate));
