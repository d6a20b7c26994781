// What an image is made of, read from the content store as far as it is there.
import { Config, Index, isIndex, isManifest, Manifest } from "../../spec/oci/image.ts";
import {
  formatPlatform,
  hostPlatform,
  matchPlatform,
  normalize,
  type PlatformSpec,
} from "../../spec/oci/platform.ts";
import { type ContentStore, type Descriptor, ServiceError } from "../../wire/containerd/services.ts";

/** Documents are small; what is bigger is none. */
const LIMIT = 8 << 20;

/** A JSON document of the content store. Throws ServiceError. */
export async function document(
  content: ContentStore,
  ns: string,
  { digest, size }: Descriptor,
): Promise<unknown> {
  if (size > LIMIT)
    throw new ServiceError("InvalidArgument", `${digest}: ${size} bytes are too many for a document`);
  const parts: Uint8Array[] = [];
  for await (const part of content.read(ns, digest)) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

const plain = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size });

export interface ImageContent {
  manifest: Manifest;
  config: Config;
  /** Manifest, config and layers. */
  blobs: Descriptor[];
}

/** The manifest for a platform (and the indexes that led to it) behind an image's target. Throws NotFound when a document or a fitting one is missing. */
export async function manifestOf(
  content: ContentStore,
  ns: string,
  target: Descriptor,
  platform: PlatformSpec = hostPlatform,
): Promise<{ manifest: Manifest; blobs: Descriptor[]; indexes: Descriptor[] }> {
  const indexes: Descriptor[] = [];
  let at = target;
  let index = target.mediaType;
  while (isIndex(index)) {
    const { manifests } = Index.parse(await document(content, ns, at));
    const [fitting] = matchPlatform(platform, manifests);
    if (!fitting)
      throw new ServiceError("NotFound", `no match for platform in manifest ${at.digest}: not found`);
    indexes.push(at);
    at = plain(fitting);
    index = at.mediaType;
  }
  const manifest = Manifest.parse(await document(content, ns, at));
  return { manifest, blobs: [at, plain(manifest.config), ...manifest.layers.map(plain)], indexes };
}

/** Manifest and config for a platform, this machine's by default. */
export async function contentOf(
  content: ContentStore,
  ns: string,
  target: Descriptor,
  platform?: PlatformSpec,
): Promise<ImageContent> {
  const { manifest, blobs } = await manifestOf(content, ns, target, platform);
  return { manifest, blobs, config: Config.parse(await document(content, ns, plain(manifest.config))) };
}

/** "linux/amd64" for each manifest of the image whose documents are there, in order. */
export async function platformsOf(content: ContentStore, ns: string, target: Descriptor): Promise<string[]> {
  const found = new Set<string>();
  const visit = async (one: Descriptor): Promise<void> => {
    if (isIndex(one.mediaType)) {
      const { manifests } = Index.parse(await document(content, ns, one));
      for (const each of manifests) {
        if (each.platform) {
          if (each.platform.os !== "unknown") found.add(formatPlatform(normalize(each.platform)));
        } else await visit(plain(each)).catch(() => {});
      }
    } else if (isManifest(one.mediaType)) {
      const { config } = Manifest.parse(await document(content, ns, one));
      found.add(formatPlatform(normalize(Config.parse(await document(content, ns, plain(config))))));
    }
  };
  await visit(target);
  return [...found].sort();
}
