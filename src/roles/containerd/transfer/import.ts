// One import: archive → content store → labels → snapshots → image records, all under one lease.
import { Index, isIndex, isManifest, Manifest } from "../../../spec/oci/image.ts";
import { hostPlatform, normalize } from "../../../spec/oci/platform.ts";
import { indexLabels, labelPaths, manifestLabels } from "../../../wire/containerd/labels.ts";
import {
  type Descriptor,
  type Image,
  type ImportRequest,
  ServiceError,
} from "../../../wire/containerd/services.ts";
import { parseTagged } from "../../../wire/distribution/reference.ts";
import type { Fetcher } from "../../../wire/distribution/resolver.ts";
import { type Archived, takeIn } from "./archive.ts";
import { hasCode } from "./codes.ts";
import { MAX_DEPTH, parse, parseJson, readBlob } from "./document.ts";
import { fetchDocuments } from "./documents.ts";
import { checkLayers } from "./layers.ts";
import { leased, transferring } from "./leased.ts";
import type { Report } from "./progress.ts";
import { bringUnpacked, DEFAULT_SNAPSHOTTER, type PullGround, record } from "./pull.ts";
import type { Session } from "./session.ts";

/** Whatever the archive lacks is nowhere. */
const nowhere: Fetcher = {
  manifest: (digest) => Promise.reject(absent(digest)),
  blob: (digest) => Promise.reject(absent(digest)),
};
const absent = (digest: string) =>
  new ServiceError("NotFound", `content ${digest}: not found, neither here nor in the archive`);

/** Throws ServiceError; InvalidArgument for what is no archive. What was stored of a failed import goes with the collector. */
export async function importImages(
  ground: PullGround,
  ns: string,
  archive: AsyncIterable<Uint8Array>,
  request: ImportRequest,
  onProgress: Report,
): Promise<Image[]> {
  const { services } = ground;
  const { signal, baseName, indexName, digests = false } = request;
  return await transferring(signal, onProgress, (report) =>
    leased(services, ns, "import", async (lease) => {
      const taken = await takeIn({ ns, services, signal }, archive);
      const wanted = taken.images.flatMap((one) => {
        const name = nameOf(one, baseName, digests);
        return name === undefined ? [] : [{ name, target: one.target }];
      });
      if (indexName !== undefined && taken.index) wanted.push({ name: indexName, target: taken.index });
      if (wanted.length === 0) {
        throw new ServiceError(
          "InvalidArgument",
          "no image of the archive has a name: give a base name, or have them named by digest",
        );
      }
      const made: Image[] = [];
      for (const { name, target } of wanted) {
        await label(ground, ns, target, 1);
        if (request.unpack ?? true) await unpack(ground, ns, request, lease, name, target, report);
        const image = await record(services, ns, { name, labels: {}, target });
        report({ event: "saved", id: name, digest: target.digest, mediaType: target.mediaType });
        made.push(image);
      }
      return made;
    }),
  );
}

function nameOf(
  { name, tag, target }: Archived,
  baseName: string | undefined,
  digests: boolean,
): string | undefined {
  if (name !== undefined) return name;
  if (tag !== undefined && baseName !== undefined) return `${baseName}:${tag}`;
  return digests ? `${baseName ?? "import"}@${target.digest}` : undefined;
}

/** Labels by which the collector follows the image to all of its parts that are here. */
async function label(ground: PullGround, ns: string, target: Descriptor, depth: number): Promise<void> {
  if (depth > MAX_DEPTH || (!isIndex(target.mediaType) && !isManifest(target.mediaType))) return;
  const { services } = ground;
  const document = parseJson(await readBlob({ services, ns }, target.digest), target.digest);
  const set = async (labels: Record<string, string>) => {
    await services.content.update(ns, { digest: target.digest, labels }, labelPaths(labels));
  };
  if (!isIndex(target.mediaType)) return await set(manifestLabels(parse(Manifest, document, target)));
  const index = parse(Index, document, target);
  await set(indexLabels(index));
  for (const { mediaType, digest, size } of index.manifests) {
    try {
      await label(ground, ns, { mediaType, digest, size }, depth + 1);
    } catch (error) {
      // Other platforms need not be in the archive.
      if (!hasCode(error, "NotFound")) throw error;
    }
  }
}

async function unpack(
  ground: PullGround,
  ns: string,
  request: ImportRequest,
  lease: string,
  name: string,
  target: Descriptor,
  report: Report,
): Promise<void> {
  const snapshotterName = request.snapshotter || DEFAULT_SNAPSHOTTER;
  const { services, retry, locks, unpackHere } = ground;
  const session: Session = {
    ns,
    services,
    unpackHere,
    // For messages only.
    reference: referenceFor(name),
    source: {},
    platform: normalize(request.platform ?? hostPlatform),
    exactPlatform: true,
    fetcher: nowhere,
    lease,
    snapshotterName,
    snapshotter: services.snapshots.snapshotter(snapshotterName),
    signal: request.signal ?? new AbortController().signal,
    report,
    retry,
    locks,
  };
  let found: Awaited<ReturnType<typeof fetchDocuments>>;
  try {
    found = await fetchDocuments(session, target);
    checkLayers(found.manifest);
  } catch (error) {
    // An image for another machine, or no container image: kept, not unpacked.
    if (request.platform === undefined && hasCode(error, "NotFound", "InvalidArgument")) return;
    throw error;
  }
  await bringUnpacked(session, found.manifest, found.config.rootfs.diff_ids, true);
}

function referenceFor(name: string): Session["reference"] {
  try {
    return parseTagged(name);
  } catch {
    return parseTagged("archive.invalid/image");
  }
}
