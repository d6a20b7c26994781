// Images as one archive: an OCI layout that `docker load` takes too. image-spec image-layout.md
import { Manifest, MediaType } from "../../../spec/oci/image.ts";
import { hostPlatform, normalize, platformRank } from "../../../spec/oci/platform.ts";
import { blobPath, IMAGE_NAME, packLayout, REF_NAME } from "../../../store/tar/layout.ts";
import type { ExportRequest } from "../../../wire/containerd/services.ts";
import { familiarName, parseReference, type Reference } from "../../../wire/distribution/reference.ts";
import { parseJson, readBlob } from "./document.ts";
import { choose, type Node } from "./graph.ts";
import type { PullServices } from "./session.ts";

interface Exported {
  name: string;
  reference: Reference | undefined;
  root: Node;
}

function referenceOf(name: string): Reference | undefined {
  try {
    return parseReference(name);
  } catch {
    // ctr's names need not be references.
    return undefined;
  }
}

/** The archive in chunks. Throws ServiceError NotFound before the first one when a document or blob is not here. */
export async function* exportImages(
  services: Pick<PullServices, "content" | "images">,
  ns: string,
  request: ExportRequest,
): AsyncGenerator<Uint8Array> {
  const on = { ns, services };
  const { platform, allPlatforms, signal } = request;
  const exported: Exported[] = [];
  for (const name of request.images) {
    const { target } = await services.images.get(ns, name);
    const elsewhere = allPlatforms ? undefined : async () => true;
    exported.push({
      name,
      reference: referenceOf(name),
      root: await choose(on, target, { platform, elsewhere }),
    });
  }
  const sizes = new Map<string, number>();
  const add = async (digest: string): Promise<void> => {
    if (!sizes.has(digest)) sizes.set(digest, (await services.content.info(ns, digest)).size);
  };
  const collect = async (node: Node): Promise<void> => {
    await add(node.descriptor.digest);
    for (const { digest } of node.blobs) await add(digest);
    for (const child of node.children) await collect(child);
  };
  for (const { root } of exported) await collect(root);
  const docker = request.skipDockerManifest ? undefined : await manifestJson(on, exported);

  yield* packLayout({
    blobs: sizes,
    read: (digest) => services.content.read(ns, digest),
    index: indexJson(exported),
    ...(docker === undefined ? {} : { more: { "manifest.json": docker } }),
    ...(signal ? { signal } : {}),
  });
}

function indexJson(exported: readonly Exported[]): string {
  const manifests = exported.map(({ name, reference, root }) => ({
    ...root.descriptor,
    annotations: { [IMAGE_NAME]: name, ...(reference?.tag ? { [REF_NAME]: reference.tag } : {}) },
  }));
  return JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests });
}

/** docker-archive's list: of each image the manifest for this host, or its only one. */
async function manifestJson(
  on: Parameters<typeof readBlob>[0],
  exported: readonly Exported[],
): Promise<string | undefined> {
  const entries = new Map<string, { Config: string; RepoTags: string[]; Layers: string[] }>();
  for (const { reference, root } of exported) {
    const leaves: Node[] = [];
    const gather = (node: Node): void => {
      if (node.children.length === 0 && node.blobs.length > 0) leaves.push(node);
      node.children.forEach(gather);
    };
    gather(root);
    let best: { rank: number; node: Node; manifest: Manifest } | undefined;
    for (const node of leaves) {
      const manifest = Manifest.safeParse(parseJson(node.bytes, node.descriptor.digest));
      if (!manifest.success) continue;
      const { digest } = manifest.data.config;
      const config = parseJson(await readBlob(on, digest), digest) as { os?: string; architecture?: string };
      // What is no container image (an attestation) has no platform.
      if (!config.os || !config.architecture) continue;
      const rank = platformRank(normalize(hostPlatform), {
        ...config,
        os: config.os,
        architecture: config.architecture,
      });
      if (!best || rank > best.rank) best = { rank, node, manifest: manifest.data };
    }
    if (!best) continue;
    const { config, layers } = best.manifest;
    const entry = entries.get(config.digest) ?? {
      Config: blobPath(config.digest),
      RepoTags: [],
      Layers: layers.map(({ digest }) => blobPath(digest)),
    };
    if (reference?.tag) entry.RepoTags.push(`${familiarName(reference)}:${reference.tag}`);
    entries.set(config.digest, entry);
  }
  return entries.size === 0 ? undefined : JSON.stringify([...entries.values()]);
}
