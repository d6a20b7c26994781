// An image archive on its way into the content store: each file is stored as it comes, so that order does not matter and
// memory stays small; what the archive holds is known at its end.

import { z } from "zod";
import {
  ConfigRootfs,
  Index,
  type Manifest,
  MediaType,
  type Descriptor as SpecDescriptor,
} from "../../../spec/oci/image.ts";
import { decompress } from "../../../store/tar/decompress.ts";
import { ArchiveError, type TarEntry } from "../../../store/tar/entry.ts";
import { IMAGE_NAME, REF_NAME } from "../../../store/tar/layout.ts";
import { cleanParts } from "../../../store/tar/names.ts";
import { TarReader } from "../../../store/tar/reader.ts";
import { type Descriptor, ServiceError } from "../../../wire/containerd/services.ts";
import { formatReference, InvalidReference, parseTagged } from "../../../wire/distribution/reference.ts";
import { hasCode } from "./codes.ts";
import { parse, parseJson, readBlob } from "./document.ts";
import type { PullServices } from "./session.ts";

/** What an archive names: a manifest or index, and its name or bare tag. */
export interface Archived {
  target: Descriptor;
  name?: string;
  tag?: string;
}

interface File {
  digest: string;
  size: number;
  /** The first bytes, which say how a layer is compressed. */
  start: Uint8Array;
}

interface Ground {
  ns: string;
  services: Pick<PullServices, "content">;
  signal: AbortSignal | undefined;
}

const dockerManifest = z.array(
  z.object({
    Config: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string()).nullish(),
  }),
);

const invalid = (why: string, cause?: unknown) =>
  new ServiceError("InvalidArgument", `invalid archive: ${why}`, { cause });

/** Stores all files of the archive; returns its index as a descriptor where it has one, and the images it names. */
export async function takeIn(
  on: Ground,
  archive: AsyncIterable<Uint8Array>,
): Promise<{ images: Archived[]; index?: Descriptor }> {
  const files = new Map<string, File>();
  const links = new Map<string, string>();
  const reader = new TarReader(decompress(archive));
  try {
    for (let entry = await reader.next(); entry; entry = await reader.next()) {
      on.signal?.throwIfAborted();
      const path = cleanParts(entry.name).join("/");
      if (entry.type === "symlink") {
        links.set(path, cleanParts([...path.split("/").slice(0, -1), entry.linkName].join("/")).join("/"));
      } else if (entry.type === "link") links.set(path, cleanParts(entry.linkName).join("/"));
      else if (entry.type === "file") files.set(path, await store(on, path, entry, reader));
    }
    await reader.drain();
  } catch (error) {
    if (error instanceof ArchiveError) throw invalid(error.message, error);
    throw error;
  } finally {
    await reader.cancel();
  }
  const find = (path: string): File | undefined => files.get(path) ?? files.get(links.get(path) ?? "");
  const [index, docker] = [find("index.json"), find("manifest.json")];
  if (index && find("oci-layout")) {
    const target = { mediaType: MediaType.index, digest: index.digest, size: index.size };
    return { images: await fromLayout(on, target), index: target };
  }
  if (docker) return { images: await fromDocker(on, docker, find) };
  throw invalid("it has neither an index.json nor a manifest.json");
}

async function store(on: Ground, path: string, entry: TarEntry, reader: TarReader): Promise<File> {
  const { content } = on.services;
  const named = /^blobs\/(sha256|sha384|sha512)\/([0-9a-f]+)$/.exec(path);
  const expected = named ? `${named[1]}:${named[2]}` : undefined;
  const hash = new Bun.CryptoHasher("sha256");
  let start: Uint8Array = new Uint8Array(0);
  const look = (chunk: Uint8Array) => {
    if (start.length < 4) start = Buffer.concat([start, chunk.subarray(0, 4)]);
  };
  const ref = `import-${crypto.randomUUID()}`;
  let writer: Awaited<ReturnType<typeof content.writer>> | undefined;
  try {
    writer = await content.writer(on.ns, ref, { total: entry.size, ...(expected ? { expected } : {}) });
  } catch (error) {
    if (!hasCode(error, "AlreadyExists")) throw error;
  }
  try {
    for (let chunk = await reader.read(); chunk; chunk = await reader.read()) {
      look(chunk);
      if (!expected) hash.update(chunk);
      await writer?.write(chunk);
    }
    const digest = expected ?? `sha256:${hash.digest("hex")}`;
    await writer?.commit(entry.size, digest).catch((error: unknown) => {
      if (hasCode(error, "FailedPrecondition")) throw invalid(`${path} is not what its name says`, error);
      if (!hasCode(error, "AlreadyExists")) throw error;
    });
    return { digest, size: entry.size, start };
  } catch (error) {
    await writer?.close();
    await content.abort(on.ns, ref).catch(() => {});
    throw error;
  } finally {
    await writer?.close();
  }
}

async function json(on: Ground, { digest }: { digest: string }): Promise<unknown> {
  return parseJson(await readBlob(on, digest), digest);
}

async function fromLayout(on: Ground, target: Descriptor): Promise<Archived[]> {
  const { manifests } = parse(Index, await json(on, target), target);
  return manifests.map(({ mediaType, digest, size, annotations }: SpecDescriptor) => {
    const [name, tag] = [annotations?.[IMAGE_NAME], annotations?.[REF_NAME]];
    const image: Archived = { target: { mediaType, digest, size } };
    if (name !== undefined) return { ...image, name };
    if (tag === undefined) return image;
    // A ref.name is often a bare tag, which names no image by itself.
    return /[/:]/.test(tag) ? { ...image, name: full(tag) } : { ...image, tag };
  });
}

function full(name: string): string {
  try {
    return formatReference(parseTagged(name));
  } catch (error) {
    if (error instanceof InvalidReference) throw invalid(error.message, error);
    throw error;
  }
}

/** docker-archive: a manifest is made for each image, since it has none. */
async function fromDocker(
  on: Ground,
  list: File,
  find: (path: string) => File | undefined,
): Promise<Archived[]> {
  const parsed = dockerManifest.safeParse(await json(on, list));
  if (!parsed.success)
    throw invalid(`manifest.json: ${parsed.error.issues[0]?.message ?? "not as expected"}`);
  const images: Archived[] = [];
  for (const { Config, RepoTags, Layers } of parsed.data) {
    const must = (path: string): File => {
      if (path.split("/").includes("..")) throw invalid(`${path} points outside of the archive`);
      const file = find(cleanParts(path).join("/"));
      if (!file) throw invalid(`${path} is missing`);
      return file;
    };
    const config = must(Config);
    const layers = (Layers ?? []).map(must);
    const { rootfs } = parse(ConfigRootfs, await json(on, config), {
      ...config,
      mediaType: MediaType.dockerConfig,
    });
    if (rootfs.diff_ids.length !== layers.length) {
      throw invalid(
        `manifest.json has ${layers.length} layers, the image's config ${rootfs.diff_ids.length}`,
      );
    }
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: MediaType.dockerManifest,
      config: { mediaType: MediaType.dockerConfig, digest: config.digest, size: config.size },
      layers: layers.map(({ digest, size, start }) => ({ mediaType: layerType(start), digest, size })),
    };
    const target = await put(on, JSON.stringify(manifest), MediaType.dockerManifest);
    if (!RepoTags?.length) images.push({ target });
    for (const tag of RepoTags ?? []) images.push({ target, name: full(tag) });
  }
  return images;
}

function layerType(start: Uint8Array): string {
  if (start[0] === 0x1f && start[1] === 0x8b) return MediaType.dockerLayerGzip;
  if (start[0] === 0x28 && start[1] === 0xb5) return MediaType.dockerLayerZstd;
  return MediaType.dockerLayer;
}

async function put(on: Ground, text: string, mediaType: string): Promise<Descriptor> {
  const bytes = new TextEncoder().encode(text);
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
  try {
    const writer = await on.services.content.writer(on.ns, `import-${digest}`, {
      total: bytes.length,
      expected: digest,
    });
    try {
      if (writer.status().offset > 0) await writer.truncate(0);
      await writer.write(bytes);
      await writer.commit(bytes.length, digest);
    } finally {
      await writer.close();
    }
  } catch (error) {
    if (!hasCode(error, "AlreadyExists")) throw error;
  }
  return { mediaType, digest, size: bytes.length };
}
