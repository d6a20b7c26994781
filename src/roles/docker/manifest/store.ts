// Manifest lists in the making: ~/.docker/manifests/<list>/<manifest>, one JSON file a manifest, as the docker CLI keeps them.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "../../../store/atomic.ts";
import { formatReference, parseTagged, type Reference } from "../../../wire/distribution/reference.ts";

export interface Platform {
  architecture: string;
  os: string;
  "os.version"?: string;
  "os.features"?: string[];
  variant?: string;
}

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  urls?: string[];
  annotations?: Record<string, string>;
  platform?: Platform;
}

/** A manifest's document, as far as it is looked into. */
export interface ManifestDocument {
  mediaType?: string;
  config: Descriptor;
  layers: Descriptor[];
}

export interface ImageManifest {
  /** The manifest's full name. */
  Ref: string;
  Descriptor: Descriptor;
  /** The document's bytes in base64; files of older clients lack them. */
  Raw?: string;
  /** The same document for people to look at: one of the two. */
  SchemaV2Manifest?: ManifestDocument;
  OCIManifest?: ManifestDocument;
}

/** What is not in the store. */
export class NoSuchManifest extends Error {
  override readonly name = "NoSuchManifest";
  constructor(reference: string) {
    super(`No such manifest: ${reference}`);
  }
}

/** A name as typed, "latest" unless it says otherwise. Throws InvalidReference. */
export const readName = (text: string): Reference => parseTagged(text);

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** The document's bytes, held against the digest. Throws when they are not what the registry gave. */
export function documentBytes(manifest: ImageManifest): Uint8Array {
  const { Raw: raw, SchemaV2Manifest: docker, OCIManifest: oci } = manifest;
  // Without the bytes they are made again with the indentation that docker's own pushes have.
  const bytes = raw
    ? Buffer.from(raw, "base64")
    : Buffer.from(docker ? JSON.stringify(docker, undefined, 3) : JSON.stringify(oci, undefined, 2));
  const digest = digestOf(bytes);
  if (digest !== manifest.Descriptor.digest) {
    throw new Error(
      `internal digest mismatch for ${manifest.Ref}: expected ${manifest.Descriptor.digest}, got ${digest}`,
    );
  }
  return bytes;
}

const fileName = (reference: Reference): string =>
  formatReference(reference).replaceAll(":", "-").replaceAll("/", "_");

export class ManifestStore {
  readonly #root: string;

  /** `directory`: where config.json is. */
  constructor(directory: string) {
    this.#root = join(directory, "manifests");
  }

  /** One manifest of a list. Throws NoSuchManifest. */
  get(list: Reference, manifest: Reference): ImageManifest {
    return this.#read(join(this.#root, fileName(list), fileName(manifest)), manifest);
  }

  /** All manifests of a list, by file name. Throws NoSuchManifest. */
  list(list: Reference): ImageManifest[] {
    const directory = join(this.#root, fileName(list));
    let names: string[];
    try {
      names = readdirSync(directory).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new NoSuchManifest(formatReference(list));
    }
    return names.map((name) => this.#read(join(directory, name), list));
  }

  has(list: Reference): boolean {
    try {
      this.list(list);
      return true;
    } catch (error) {
      if (error instanceof NoSuchManifest) return false;
      throw error;
    }
  }

  save(list: Reference, manifest: Reference, image: ImageManifest): void {
    const path = join(this.#root, fileName(list), fileName(manifest));
    writeAtomic(path, JSON.stringify(image), { mode: 0o644 });
  }

  remove(list: Reference): void {
    rmSync(join(this.#root, fileName(list)), { recursive: true, force: true });
  }

  #read(path: string, reference: Reference): ImageManifest {
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new NoSuchManifest(formatReference(reference));
    }
    let image: Partial<ImageManifest> | null;
    try {
      image = JSON.parse(text) as Partial<ImageManifest> | null;
    } catch (error) {
      throw new Error(`invalid manifest file ${path}: ${(error as Error).message}`);
    }
    if (!image?.Ref || !image.Descriptor?.digest || !(image.SchemaV2Manifest ?? image.OCIManifest)) {
      throw new Error(`invalid manifest file ${path}: it describes no image manifest`);
    }
    return image as ImageManifest;
  }
}
