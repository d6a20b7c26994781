// docker rmi: which names go, whether the image goes with them, and what stands in the way (moby: daemon/images ImageDelete).
import type { ImageDeleteItem } from "../../../spec/engine/image.ts";
import type { Image } from "../../../wire/containerd/services.ts";
import { familiarString, fullName, type Reference } from "../../../wire/distribution/reference.ts";
import { conflict } from "../errors.ts";
import { recordReference } from "./catalog.ts";
import { clientReference, isIdOf } from "./resolve.ts";
import type { StoredImage } from "./store.ts";

export interface ImageUser {
  id: string;
  name: string;
  running: boolean;
}

/** What to do, decided without doing anything. */
export interface RemovalPlan {
  /** Records to delete. */
  records: Image[];
  /** The image stays, nameless, because a container needs it. */
  keepDangling: boolean;
  items: ImageDeleteItem[];
  untagged: boolean;
  /** The images that go for good. */
  deleted: StoredImage[];
}

const short = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);

interface Name {
  reference: Reference;
  record: Image;
}

function namesOf(image: StoredImage): Name[] {
  return image.records.flatMap((record) => {
    const reference = recordReference(record.name);
    return reference ? [{ reference, record }] : [];
  });
}

// moby counts a tag and the digest of the same repository as one reference.
function isSingleReference(names: readonly Name[]): boolean {
  const tags = names.filter(({ reference }) => reference.digest === undefined);
  const repositories = new Set(names.map(({ reference }) => fullName(reference)));
  return tags.length <= 1 && repositories.size <= 1;
}

function digestOf(name: Name): string {
  const { reference, record } = name;
  return familiarString({ ...reference, tag: undefined, digest: record.target.digest });
}

// The Untagged lines of a set of names: tags first, then each repository's digests.
function untaggedItems(gone: readonly Name[], left: readonly Name[]): ImageDeleteItem[] {
  const items: ImageDeleteItem[] = gone
    .filter(({ reference }) => reference.digest === undefined)
    .map(({ reference }) => ({ Untagged: familiarString(reference) }));
  const digests = new Set<string>();
  const staying = new Set(left.map(digestOf));
  for (const name of gone) {
    const digest = digestOf(name);
    if (!staying.has(digest)) digests.add(digest);
  }
  return [...items, ...[...digests].map((digest) => ({ Untagged: digest }))];
}

function refuse(image: StoredImage, forceable: boolean, why: string): never {
  const force = forceable ? "must be forced" : "cannot be forced";
  throw conflict(`conflict: unable to delete ${short(image.id)} (${force}) - ${why}`);
}

function checkUse(image: StoredImage, users: readonly ImageUser[], force: boolean): void {
  const running = users.find((user) => user.running);
  if (running) refuse(image, false, `image is being used by running container ${short(running.id)}`);
  const stopped = users[0];
  if (stopped && !force) refuse(image, true, `image is being used by stopped container ${short(stopped.id)}`);
}

const childrenOf = (id: string, all: readonly StoredImage[]): StoredImage[] =>
  all.filter(({ parent }) => parent === id);

/** The images that were only kept for `image`: its nameless ancestors that nothing else is made from (moby: pruning untagged parents). */
function orphans(
  image: StoredImage,
  all: readonly StoredImage[],
  usersOf: (imageId: string) => readonly ImageUser[],
): StoredImage[] {
  const gone: StoredImage[] = [];
  for (let child = image; ; ) {
    const parent = all.find(({ id }) => id === child.parent);
    if (!parent || namesOf(parent).length > 0 || usersOf(parent.id).length > 0) return gone;
    if (childrenOf(parent.id, all).some(({ id }) => id !== child.id)) return gone;
    gone.push(parent);
    child = parent;
  }
}

function deletedItems(gone: readonly StoredImage[], all: readonly StoredImage[]): ImageDeleteItem[] {
  const shared = new Set(
    all.filter((other) => !gone.includes(other)).flatMap(({ chain }) => chain.map(({ chainId }) => chainId)),
  );
  const items: ImageDeleteItem[] = [];
  for (const { id, chain } of gone) {
    items.push({ Deleted: id });
    for (const { chainId } of [...chain].reverse()) {
      if (shared.has(chainId)) continue;
      shared.add(chainId);
      items.push({ Deleted: chainId });
    }
  }
  return items;
}

export interface RemovalOptions {
  force: boolean;
  /** Leave nameless parents alone. */
  noPrune: boolean;
  /** Containers made from an image. */
  usersOf(imageId: string): readonly ImageUser[];
}

/** Throws ApiError 409 in docker's words when it must not be. */
export function planRemoval(
  nameOrId: string,
  image: StoredImage,
  all: readonly StoredImage[],
  { force, noPrune, usersOf }: RemovalOptions,
): RemovalPlan {
  const names = namesOf(image);
  const users = usersOf(image.id);
  const children = childrenOf(image.id, all);
  const whole = (): RemovalPlan => {
    const gone = noPrune ? [image] : [image, ...orphans(image, all, usersOf)];
    return {
      records: gone.flatMap(({ records }) => records),
      keepDangling: false,
      items: [...untaggedItems(names, []), ...deletedItems(gone, all)],
      untagged: names.length > 0,
      deleted: gone,
    };
  };
  if (isIdOf(image.id, nameOrId) && !names.some(({ reference }) => familiarString(reference) === nameOrId)) {
    if (!isSingleReference(names) && !force) {
      refuse(image, true, "image is referenced in multiple repositories");
    }
    if (children.length > 0) refuse(image, false, "image has dependent child images");
    checkUse(image, users, force);
    return whole();
  }
  const wanted = clientReference(nameOrId);
  const user = users[0];
  if (!force && isSingleReference(names) && user) {
    throw conflict(
      `conflict: unable to remove repository reference "${nameOrId}" (must force) - container ${short(user.id)} is using its referenced image ${short(image.id)}`,
    );
  }
  const sameName = ({ reference }: Name): boolean => fullName(reference) === fullName(wanted);
  let gone = names.filter((name) =>
    wanted.digest === undefined
      ? sameName(name) && name.reference.tag === wanted.tag && name.reference.digest === undefined
      : sameName(name) && name.record.target.digest === wanted.digest,
  );
  let left = names.filter((name) => !gone.includes(name));
  // With its last tag a repository's digests go too.
  if (wanted.digest === undefined && !left.some((n) => sameName(n) && n.reference.digest === undefined)) {
    gone = [...gone, ...left.filter(sameName)];
    left = left.filter((name) => !sameName(name));
  }
  if (left.length > 0) {
    return {
      records: gone.map(({ record }) => record),
      keepDangling: false,
      items: untaggedItems(gone, left),
      untagged: true,
      deleted: [],
    };
  }
  if (users.some((candidate) => candidate.running) || children.length > 0) {
    return {
      records: gone.map(({ record }) => record),
      keepDangling: true,
      items: untaggedItems(gone, []),
      untagged: true,
      deleted: [],
    };
  }
  return whole();
}
