// GET /images/get and /images/{name}/get: an OCI layout that is a docker-archive as well (manifest.json), as docker 25 and later write it.

import { MediaType } from "../../../spec/oci/image.ts";
import { blobPath, IMAGE_NAME, packLayout, REF_NAME } from "../../../store/tar/layout.ts";
import {
  familiarName,
  formatReference,
  InvalidReference,
  parseReference,
  type Reference,
} from "../../../wire/distribution/reference.ts";
import type { Engine } from "../engine.ts";
import { badRequest } from "../errors.ts";
import { recordReference } from "./catalog.ts";
import { isIdOf, resolveImage } from "./resolve.ts";
import type { StoredImage } from "./store.ts";

/** An image with the names under which it is saved. */
export interface Saved {
  image: StoredImage;
  references: Reference[];
}

function referenceOf(name: string): Reference | undefined {
  try {
    return parseReference(name);
  } catch (error) {
    if (error instanceof InvalidReference) return undefined;
    throw error;
  }
}

const tagged = (image: StoredImage): Reference[] =>
  image.records.flatMap(({ name }) => {
    const reference = recordReference(name);
    return reference?.tag !== undefined && reference.digest === undefined ? [reference] : [];
  });

/** The images that the names mean: an id saves no name, a bare repository all of its tags. ApiError 404, 400. */
export function selectForSaving(all: readonly StoredImage[], names: readonly string[]): Saved[] {
  if (names.length === 0) throw badRequest("no image names given");
  const chosen = new Map<string, Saved>();
  const add = (image: StoredImage, references: readonly Reference[]): void => {
    const saved = chosen.get(image.id) ?? { image, references: [] };
    chosen.set(image.id, saved);
    for (const reference of references) {
      const name = formatReference(reference);
      if (!saved.references.some((one) => formatReference(one) === name)) saved.references.push(reference);
    }
  };
  for (const name of names) {
    const reference = referenceOf(name);
    if (reference && reference.tag === undefined && reference.digest === undefined) {
      const same = all.flatMap((image) =>
        tagged(image)
          .filter(({ domain, path }) => domain === reference.domain && path === reference.path)
          .map((one) => ({ image, one })),
      );
      for (const { image, one } of same) add(image, [one]);
      if (same.length > 0) continue;
    }
    const image = resolveImage(all, name);
    const named = reference?.tag !== undefined && reference.digest === undefined && !isIdOf(image.id, name);
    add(image, named ? [reference] : []);
  }
  return [...chosen.values()];
}

function manifestJson(saved: readonly Saved[]): string {
  return JSON.stringify(
    saved.map(({ image, references }) => ({
      Config: blobPath(image.id),
      RepoTags: references.length > 0 ? references.map((one) => `${familiarName(one)}:${one.tag}`) : null,
      Layers: image.layers.map(({ digest }) => blobPath(digest)),
    })),
  );
}

function indexJson(saved: readonly Saved[], sizes: ReadonlyMap<string, number>): string {
  const manifests = saved.flatMap(({ image, references }) => {
    const descriptor = {
      mediaType: image.manifestType,
      digest: image.manifestDigest,
      size: sizes.get(image.manifestDigest),
      platform: { architecture: image.config.architecture, os: image.config.os },
    };
    if (references.length === 0) return [descriptor];
    return references.map((one) => ({
      ...descriptor,
      annotations: { [IMAGE_NAME]: formatReference(one), [REF_NAME]: one.tag! },
    }));
  });
  return JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests });
}

/** For programs from before Docker 1.10: the top layer of each name. */
function repositoriesJson(saved: readonly Saved[]): string {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { image, references } of saved) {
    for (const one of references) {
      const top = image.layers.at(-1)?.digest.split(":")[1] ?? "";
      const tags = repositories[familiarName(one)] ?? {};
      tags[one.tag!] = top;
      repositories[familiarName(one)] = tags;
    }
  }
  return JSON.stringify(repositories);
}

/** The archive in chunks. Throws ServiceError NotFound before the first when a blob is missing. */
export async function saveImages(
  engine: Pick<Engine, "services" | "namespace">,
  saved: readonly Saved[],
): Promise<AsyncGenerator<Uint8Array>> {
  const { content } = engine.services;
  const sizes = new Map<string, number>();
  for (const { image } of saved) {
    for (const digest of [image.id, image.manifestDigest, ...image.layers.map((layer) => layer.digest)]) {
      if (!sizes.has(digest)) sizes.set(digest, (await content.info(engine.namespace, digest)).size);
    }
  }
  const repositories = repositoriesJson(saved);
  return packLayout({
    blobs: sizes,
    read: (digest) => content.read(engine.namespace, digest),
    index: indexJson(saved, sizes),
    more: {
      "manifest.json": manifestJson(saved),
      ...(repositories === "{}" ? {} : { repositories }),
    },
  });
}
