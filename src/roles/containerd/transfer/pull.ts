// One pull: resolve → lease → documents → layers → labels → image record.
import { createHash } from "node:crypto";
import type { Manifest } from "../../../spec/oci/image.ts";
import { hostPlatform, normalize } from "../../../spec/oci/platform.ts";
import { labelPaths, snapshotLabel, sourceLabel } from "../../../wire/containerd/labels.ts";
import { type Image, type PullRequest, ServiceError } from "../../../wire/containerd/services.ts";
import {
  formatReference,
  InvalidReference,
  parseTagged,
  type Reference,
} from "../../../wire/distribution/reference.ts";
import type { Resolver } from "../../../wire/distribution/resolver.ts";
import type { RetryPolicy } from "../../../wire/distribution/retry.ts";
import { hasCode } from "./codes.ts";
import { fetchDocuments } from "./documents.ts";
import { abortable, type KeyedLock } from "./keyed-lock.ts";
import { bringLayers, checkLayers } from "./layers.ts";
import { expiring, leased, transferring } from "./leased.ts";
import type { Report } from "./progress.ts";
import type { PullServices, Session } from "./session.ts";

/** Name of the snapshotter that "" stands for. */
export const DEFAULT_SNAPSHOTTER = "overlayfs";

export interface PullGround {
  services: PullServices;
  unpackHere: boolean;
  resolver(reference: Reference, request: PullRequest): Resolver | Promise<Resolver>;
  retry: RetryPolicy;
  locks: KeyedLock;
}

export function readReference(text: string): Reference {
  try {
    return parseTagged(text);
  } catch (error) {
    if (error instanceof InvalidReference)
      throw new ServiceError("InvalidArgument", error.message, { cause: error });
    throw error;
  }
}

/** Throws ServiceError. Whatever it made for itself is gone afterwards, whether it succeeded or not. */
export async function pull(
  ground: PullGround,
  ns: string,
  request: PullRequest,
  signal: AbortSignal,
  onProgress: Report,
): Promise<Image> {
  const { services } = ground;
  const reference = readReference(request.reference);
  const name = formatReference(reference);
  const snapshotterName = request.snapshotter || DEFAULT_SNAPSHOTTER;
  const snapshotter = services.snapshots.snapshotter(snapshotterName);
  const kept = keptLease(name);
  return await transferring(signal, onProgress, async (report) => {
    const resolver = await ground.resolver(reference, request);
    const { descriptor, fetcher } = await abortable(resolver.resolve(reference, signal), signal);
    report({ event: "resolved", digest: descriptor.digest, mediaType: descriptor.mediaType });
    const image = await leased(services, ns, "pull", async (lease) => {
      const session: Session = {
        ns,
        services,
        unpackHere: ground.unpackHere,
        reference,
        source: sourceLabel(reference),
        platform: normalize(request.platform ?? hostPlatform),
        exactPlatform: request.platform !== undefined,
        fetcher,
        lease,
        snapshotterName,
        snapshotter,
        signal,
        report,
        retry: ground.retry,
        locks: ground.locks,
      };
      try {
        const { target, manifest, config } = await fetchDocuments(session, descriptor);
        checkLayers(manifest);
        const unpack = request.unpack ?? true;
        await bringUnpacked(session, manifest, config.rootfs.diff_ids, unpack);
        const made = await record(services, ns, { name, labels: {}, target });
        await services.leases.delete(ns, kept).catch(() => {});
        return made;
      } catch (error) {
        if (signal.aborted || hasCode(error, "Unavailable")) await keepBlobs(services, ns, lease, kept);
        throw error;
      }
    });
    report({ event: "done", digest: image.target.digest });
    return image;
  });
}

/** Brings the layers, and the label by which the config holds their snapshot. */
export async function bringUnpacked(
  session: Session,
  manifest: Manifest,
  diffIds: readonly string[],
  unpack: boolean,
): Promise<void> {
  const chainId = await bringLayers(session, manifest, diffIds, unpack);
  if (!unpack || chainId === "") return;
  const labels = snapshotLabel(session.snapshotterName, chainId);
  const { digest } = manifest.config;
  await session.services.content.update(session.ns, { digest, labels }, labelPaths(labels));
}

/** The lease that keeps what an interrupted pull of that image has brought in. */
const keptLease = (name: string) =>
  `pull-kept-${createHash("sha256").update(name).digest("hex").slice(0, 16)}`;

/**
 * A pull that was cancelled or lost its registry leaves the blobs that it finished (and its ingests) for the next one, for
 * a day. Best effort: the failure is what is to be told.
 */
async function keepBlobs(services: PullServices, ns: string, lease: string, kept: string): Promise<void> {
  try {
    const resources = await services.leases.listResources(ns, lease);
    const blobs = resources.filter(({ type }) => type === "content" || type === "ingests");
    const present: typeof blobs = [];
    for (const resource of blobs) {
      const look =
        resource.type === "content"
          ? services.content.info(ns, resource.id)
          : services.content.status(ns, resource.id);
      if (
        await look.then(
          () => true,
          () => false,
        )
      )
        present.push(resource);
    }
    if (present.length === 0) return;
    await services.leases.delete(ns, kept).catch(() => {});
    await services.leases.create(ns, kept, expiring());
    for (const resource of present) await services.leases.addResource(ns, kept, resource);
  } catch {
    // Nothing is lost but the time to fetch it again.
  }
}

/** Makes the image record, or points the one that is there to the new target. */
export async function record(
  services: PullServices,
  ns: string,
  image: Pick<Image, "name" | "labels" | "target">,
): Promise<Image> {
  try {
    return await services.images.create(ns, image);
  } catch (error) {
    if (!hasCode(error, "AlreadyExists")) throw error;
  }
  return await services.images.update(ns, image, ["target"]);
}
