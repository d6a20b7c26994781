// An image as a tree of documents and blobs, as far as the content store has it: what leaves this machine.
import { Index, isIndex, isManifest, Manifest } from "../../../spec/oci/image.ts";
import {
  formatPlatform,
  hostPlatform,
  matchPlatform,
  normalize,
  type PlatformSpec,
} from "../../../spec/oci/platform.ts";
import { type Descriptor, ServiceError, type Services } from "../../../wire/containerd/services.ts";
import { hasCode } from "./codes.ts";
import { MAX_DEPTH, parse, parseJson, readBlob } from "./document.ts";

/** A document and what must be there before it. */
export interface Node {
  descriptor: Descriptor;
  bytes: Uint8Array;
  children: Node[];
  blobs: Descriptor[];
}

interface Ground {
  ns: string;
  services: Pick<Services, "content">;
}

export interface ChooseOptions {
  /** The one manifest for that platform. */
  platform?: PlatformSpec;
  /** The one for this host where an index has manifests that are not here. */
  singleIfIncomplete?: boolean;
  /** Whether a manifest that is not here is no matter, because the other side has it. */
  elsewhere?: (digest: string) => Promise<boolean>;
}

/** The tree to push: all of it, the manifest for one platform, or the one that is whole. */
export async function choose(on: Ground, target: Descriptor, options: ChooseOptions = {}): Promise<Node> {
  const { platform, singleIfIncomplete = false, elsewhere } = options;
  const one = async (wanted: PlatformSpec): Promise<Node> => {
    const found = await single(on, target, normalize(wanted), 1);
    if (found) return found;
    throw new ServiceError("NotFound", `no image for platform ${formatPlatform(normalize(wanted))} is here`);
  };
  if (platform) return await one(platform);
  try {
    return await tree(on, target, elsewhere, 1);
  } catch (error) {
    if (!singleIfIncomplete || !isIndex(target.mediaType) || !hasCode(error, "NotFound")) throw error;
    return await one(hostPlatform);
  }
}

async function documentOf(
  on: Ground,
  descriptor: Descriptor,
): Promise<{ bytes: Uint8Array; parsed: Index | Manifest }> {
  const bytes = await readBlob(on, descriptor.digest);
  const document = parseJson(bytes, descriptor.digest);
  const parsed = isIndex(descriptor.mediaType)
    ? parse(Index, document, descriptor)
    : parse(Manifest, document, descriptor);
  return { bytes, parsed };
}

function leaf(descriptor: Descriptor, bytes: Uint8Array, { config, layers }: Manifest): Node {
  // Layers that may not be distributed stay where their URLs say.
  const blobs = [config, ...layers.filter(({ mediaType }) => !/foreign|nondistributable/.test(mediaType))];
  return { descriptor, bytes, children: [], blobs: blobs.map(plain) };
}

const plain = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size });

async function tree(
  on: Ground,
  descriptor: Descriptor,
  elsewhere: ChooseOptions["elsewhere"],
  depth: number,
): Promise<Node> {
  if (depth > MAX_DEPTH) {
    throw new ServiceError("InvalidArgument", `manifest lists are nested more than ${MAX_DEPTH} deep`);
  }
  const { bytes, parsed } = await documentOf(on, descriptor);
  if ("config" in parsed) return leaf(descriptor, bytes, parsed);
  const node: Node = { descriptor, bytes, children: [], blobs: [] };
  for (const entry of parsed.manifests) {
    const child = plain(entry);
    if (!isIndex(entry.mediaType) && !isManifest(entry.mediaType)) {
      node.blobs.push(child);
      continue;
    }
    try {
      node.children.push(await tree(on, child, elsewhere, depth + 1));
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
      // Not here, as after a pull of one platform; no matter where the other side has it already.
      if (!(await elsewhere?.(child.digest))) throw error;
    }
  }
  return node;
}

/** The manifest for a platform: the best match whose document is here. */
async function single(
  on: Ground,
  descriptor: Descriptor,
  platform: PlatformSpec,
  depth: number,
): Promise<Node | undefined> {
  const { bytes, parsed } = await documentOf(on, descriptor);
  if ("config" in parsed) return leaf(descriptor, bytes, parsed);
  if (depth > MAX_DEPTH) return undefined;
  for (const entry of matchPlatform(platform, parsed.manifests)) {
    if (entry.annotations?.["vnd.docker.reference.type"] !== undefined) continue;
    try {
      const found = await single(on, plain(entry), platform, depth + 1);
      if (found) return found;
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
  }
  return undefined;
}

/** Digests of all blobs below a descriptor as far as its documents are here. */
export async function digestsBelow(on: Ground, descriptor: Descriptor, depth = 1): Promise<Set<string>> {
  const found = new Set<string>();
  if (depth > MAX_DEPTH || (!isIndex(descriptor.mediaType) && !isManifest(descriptor.mediaType)))
    return found;
  let parsed: Index | Manifest;
  try {
    ({ parsed } = await documentOf(on, descriptor));
  } catch (error) {
    if (hasCode(error, "NotFound") && depth > 1) return found;
    throw error;
  }
  if ("config" in parsed) for (const { digest } of [parsed.config, ...parsed.layers]) found.add(digest);
  else {
    for (const entry of parsed.manifests) {
      for (const digest of await digestsBelow(on, plain(entry), depth + 1)) found.add(digest);
    }
  }
  return found;
}
