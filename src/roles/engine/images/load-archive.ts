// What an image archive holds: its documents, read and checked, before anything is stored.

import { z } from "zod";
import type { Fd } from "../../../../ffi/fd.ts";
import { toByteName } from "../../../../ffi/tree.ts";
import type { DockerImageConfig } from "../../../spec/engine/image.ts";
import {
  ConfigRootfs,
  Index,
  isIndex,
  isManifest,
  Manifest,
  type Descriptor as SpecDescriptor,
} from "../../../spec/oci/image.ts";
import { hostPlatform, matchPlatform } from "../../../spec/oci/platform.ts";
import { blobPath, IMAGE_NAME, REF_NAME } from "../../../store/tar/layout.ts";
import { readIn } from "../build/tree.ts";
import { badRequest } from "../errors.ts";
import { readLegacyArchive } from "./load-legacy.ts";

/** One image of an archive. */
export interface ArchivedImage {
  /** Full or familiar names; none for a nameless image. */
  names: string[];
  config: DockerImageConfig;
  /** The config's bytes as they are: its digest is the image's id. */
  configBytes: Uint8Array;
  /** Paths in the archive, lowest layer first. */
  layers: string[];
  /** The manifest's bytes when the archive is an OCI layout; it is kept as it is. */
  manifest?: { bytes: Uint8Array; document: Manifest };
}

/** manifest.json of docker save. */
const dockerManifest = z.array(
  z.object({
    Config: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string()).nullish(),
  }),
);

const invalid = (why: string): Error => badRequest(`invalid archive: ${why}`);

function json(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw invalid(`${path} is no JSON: ${(error as Error).message}`);
  }
}

function parsed<T extends z.ZodType>(schema: T, bytes: Uint8Array, path: string): z.output<T> {
  const result = schema.safeParse(json(bytes, path));
  if (!result.success) throw invalid(`${path}: ${result.error.issues[0]?.message ?? "not as expected"}`);
  return result.data;
}

function must(root: Fd, path: string): Uint8Array {
  if (path.split("/").includes("..")) throw invalid(`${path} points outside of the archive`);
  const bytes = readIn(root, toByteName(path));
  if (!bytes) throw invalid(`${path} is missing`);
  return bytes;
}

function configOf(bytes: Uint8Array, path: string): DockerImageConfig {
  parsed(ConfigRootfs, bytes, path);
  return json(bytes, path) as DockerImageConfig;
}

function fromDockerManifest(root: Fd, bytes: Uint8Array): ArchivedImage[] {
  return parsed(dockerManifest, bytes, "manifest.json").map(({ Config, RepoTags, Layers }) => {
    const configBytes = must(root, Config);
    const config = configOf(configBytes, Config);
    const layers = Layers ?? [];
    const expected = config.rootfs.diff_ids.length;
    if (layers.length !== expected) {
      throw invalid(`manifest.json has ${layers.length} layers, the image's config ${expected}`);
    }
    return { names: RepoTags ?? [], config, configBytes, layers };
  });
}

/** Follows an index down to a manifest that this machine can use. */
function manifestBelow(root: Fd, descriptor: SpecDescriptor, depth = 0): SpecDescriptor | undefined {
  if (isManifest(descriptor.mediaType))
    return readIn(root, blobPath(descriptor.digest)) ? descriptor : undefined;
  if (!isIndex(descriptor.mediaType) || depth > 4) return undefined;
  const bytes = readIn(root, blobPath(descriptor.digest));
  if (!bytes) return undefined;
  const { manifests } = parsed(Index, bytes, blobPath(descriptor.digest));
  const own = manifests.filter(({ platform }) => platform?.os !== "unknown");
  const suited = matchPlatform(hostPlatform, own);
  for (const entry of [...suited, ...own.filter((one) => !suited.includes(one))]) {
    const found = manifestBelow(root, entry, depth + 1);
    if (found) return found;
  }
  return undefined;
}

const digestOf = (bytes: Uint8Array): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

function fromLayout(root: Fd, bytes: Uint8Array, named: ReadonlyMap<string, string[]>): ArchivedImage[] {
  const images = new Map<string, ArchivedImage>();
  for (const entry of parsed(Index, bytes, "index.json").manifests) {
    const target = manifestBelow(root, entry);
    if (!target) continue;
    const path = blobPath(target.digest);
    const manifestBytes = must(root, path);
    if (digestOf(manifestBytes) !== target.digest) throw invalid(`${path} is not what its name says`);
    const document = parsed(Manifest, manifestBytes, path);
    const configPath = blobPath(document.config.digest);
    const configBytes = must(root, configPath);
    if (digestOf(configBytes) !== document.config.digest) {
      throw invalid(`${configPath} is not what its name says`);
    }
    const image = images.get(target.digest) ?? {
      names: [...(named.get(configPath) ?? [])],
      config: configOf(configBytes, configPath),
      configBytes,
      layers: document.layers.map(({ digest }) => blobPath(digest)),
      manifest: { bytes: manifestBytes, document },
    };
    images.set(target.digest, image);
    const name = entry.annotations?.[IMAGE_NAME] ?? fullName(entry.annotations?.[REF_NAME]);
    if (name !== undefined && named.size === 0 && !image.names.includes(name)) image.names.push(name);
  }
  return [...images.values()];
}

/** ref.name is often a bare tag, which names no image. */
const fullName = (name: string | undefined): string | undefined =>
  name !== undefined && /[:/]/.test(name) ? name : undefined;

/** The images of an unpacked archive. ApiError 400 when it is none. */
export function readArchive(root: Fd): ArchivedImage[] {
  const docker = readIn(root, "manifest.json");
  const index = readIn(root, "index.json");
  if (index && readIn(root, "oci-layout")) {
    const named = new Map<string, string[]>();
    if (docker) {
      for (const { Config, RepoTags } of parsed(dockerManifest, docker, "manifest.json")) {
        named.set(Config, [...(named.get(Config) ?? []), ...(RepoTags ?? [])]);
      }
    }
    const images = fromLayout(root, index, named);
    if (images.length > 0) return images;
  }
  if (docker) return fromDockerManifest(root, docker);
  if (index) throw invalid("index.json leads to no image for this platform");
  if (readIn(root, "repositories")) return readLegacyArchive(root);
  throw badRequest("invalid archive: does not contain a manifest.json");
}
