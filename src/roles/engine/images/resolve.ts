// Which image does a person mean: id, id prefix, name, name:tag, name@digest (moby: daemon/images GetImage).
import {
  familiarString,
  formatReference,
  InvalidReference,
  parseReference,
  parseTagged,
  type Reference,
} from "../../../wire/distribution/reference.ts";
import { badRequest, notFound } from "../errors.ts";
import { recordReference } from "./catalog.ts";
import type { StoredImage } from "./store.ts";

const DIGEST = /^sha256:[a-f0-9]{64}$/;
const HEX64 = /^[a-f0-9]{64}$/;
const PREFIX = /^(?:sha256:)?([a-f0-9]{1,64})$/;

/** Parses a name for a client: ApiError 400 with docker's words. */
export function clientReference(text: string): Reference {
  try {
    return parseTagged(text);
  } catch (error) {
    if (error instanceof InvalidReference) throw badRequest(error.message);
    throw error;
  }
}

/** Whether `text` names the image by its id rather than by a name. */
export function isIdOf(id: string, text: string): boolean {
  const match = PREFIX.exec(text);
  return match !== null && id.slice("sha256:".length).startsWith(match[1]!);
}

function byName(images: readonly StoredImage[], reference: Reference): StoredImage | undefined {
  if (reference.digest === undefined) {
    const name = formatReference(reference);
    return images.find((image) => image.records.some((record) => record.name === name));
  }
  return images.find((image) =>
    image.records.some((record) => {
      if (record.target.digest !== reference.digest) return false;
      const own = recordReference(record.name);
      return own !== undefined && own.domain === reference.domain && own.path === reference.path;
    }),
  );
}

function byPrefix(images: readonly StoredImage[], text: string): StoredImage | undefined {
  if (!PREFIX.test(text)) return undefined;
  const found = images.filter((image) => isIdOf(image.id, text));
  // An ambiguous prefix names nothing.
  return found.length === 1 ? found[0] : undefined;
}

/** Throws ApiError 404 "No such image: X", 400 for what cannot be a name. */
export function resolveImage(images: readonly StoredImage[], nameOrId: string): StoredImage {
  if (DIGEST.test(nameOrId) || HEX64.test(nameOrId)) {
    const id = nameOrId.startsWith("sha256:") ? nameOrId : `sha256:${nameOrId}`;
    const image = images.find((candidate) => candidate.id === id);
    if (!image) throw notFound(`No such image: ${id}`);
    return image;
  }
  let reference: Reference;
  try {
    reference = parseReference(nameOrId);
  } catch (error) {
    if (!(error instanceof InvalidReference)) throw error;
    const image = byPrefix(images, nameOrId);
    if (image) return image;
    throw badRequest(error.message);
  }
  const tagged: Reference =
    reference.tag === undefined && reference.digest === undefined
      ? { ...reference, tag: "latest" }
      : reference;
  const image = byName(images, tagged) ?? byPrefix(images, nameOrId);
  if (!image) throw notFound(`No such image: ${familiarString(tagged)}`);
  return image;
}
