// From a reference's descriptor to the manifest for one platform and its config: fetched, verified, parsed, stored.
import {
  ConfigRootfs,
  Index,
  isIndex,
  isManifest,
  Manifest,
  MediaType,
  type Descriptor as SpecDescriptor,
} from "../../../spec/oci/image.ts";
import { formatPlatform, matchPlatform, platformRank } from "../../../spec/oci/platform.ts";
import { indexLabels, labelPaths, manifestLabels } from "../../../wire/containerd/labels.ts";
import { type Descriptor, ServiceError } from "../../../wire/containerd/services.ts";
import { familiarString, formatReference } from "../../../wire/distribution/reference.ts";
import { MANIFEST_LIMIT } from "../../../wire/distribution/resolver.ts";
import { fetchBlob, holdBlob, ingestRef } from "./blob.ts";
import { hasCode } from "./codes.ts";
import { MAX_DEPTH, parse, parseJson, readBlob, reason } from "./document.ts";
import type { Session } from "./session.ts";

export interface ImageDocuments {
  /** What the image record points to, with the media type that the document itself proves. */
  target: Descriptor;
  manifest: Manifest;
  config: ConfigRootfs;
}

/** Follows `target` down to a manifest. Throws ServiceError. */
export async function fetchDocuments(session: Session, target: Descriptor): Promise<ImageDocuments> {
  const found = await follow(session, target, 1);
  if (found === undefined) throw noMatch(session);
  return found;
}

const noMatch = ({ platform }: Session) =>
  new ServiceError(
    "NotFound",
    `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`,
  );

/** Undefined when nothing below suits the platform. */
async function follow(
  session: Session,
  given: Descriptor,
  depth: number,
): Promise<ImageDocuments | undefined> {
  if (depth > MAX_DEPTH) {
    throw new ServiceError(
      "InvalidArgument",
      `manifest lists are nested more than ${MAX_DEPTH} deep in ${formatReference(session.reference)}`,
    );
  }
  const { target, document } = await fetchDocument(session, given);
  if (isIndex(target.mediaType)) {
    const index = parse(Index, document, target);
    for (const entry of matchPlatform(session.platform, index.manifests.filter(isImage))) {
      const found = await follow(session, plain(entry), depth + 1);
      if (found) return { ...found, target };
    }
    return undefined;
  }
  const manifest = parse(Manifest, document, target);
  const config = await fetchConfig(session, plain(manifest.config));
  if (depth > 1 || session.exactPlatform) {
    if (platformRank(session.platform, config) < 0) {
      // An entry that names no platform had to be looked into; the image itself just is what it is.
      if (depth > 1) return undefined;
      throw new ServiceError(
        "NotFound",
        `image with reference ${familiarString(session.reference)} was found but its platform (${formatPlatform(config)}) does not match the specified platform (${formatPlatform(session.platform)})`,
      );
    }
  }
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new ServiceError(
      "InvalidArgument",
      `mismatched image rootfs and manifest layers: ${config.rootfs.diff_ids.length} diff IDs, ${manifest.layers.length} layers`,
    );
  }
  return { target, manifest, config };
}

/** BuildKit stores what it attests beside the image, for the platform "unknown/unknown". */
const isImage = ({ annotations, mediaType }: SpecDescriptor) =>
  annotations?.["vnd.docker.reference.type"] === undefined && (isManifest(mediaType) || isIndex(mediaType));

const plain = ({ mediaType, digest, size }: SpecDescriptor): Descriptor => ({ mediaType, digest, size });

/** A manifest or index from the store or the registry; stored once it is known to be well-formed. */
async function fetchDocument(
  session: Session,
  given: Descriptor,
): Promise<{ target: Descriptor; document: unknown }> {
  const { ns, services, signal } = session;
  const { digest } = given;
  if (given.size > MANIFEST_LIMIT) throw tooLarge(session, given);
  const there = await holdBlob(session, digest);
  const { mediaType, bytes } = there
    ? { mediaType: given.mediaType, bytes: await readBlob(session, digest) }
    : await session.fetcher.manifest(digest, signal);
  if (digestAs(digest, bytes) !== digest) {
    throw new ServiceError("DataLoss", `manifest verification failed for digest ${digest}`);
  }
  if (bytes.length !== given.size) {
    throw new ServiceError(
      "DataLoss",
      `manifest ${digest} has ${bytes.length} bytes, its descriptor says ${given.size}`,
    );
  }
  const document = parseJson(bytes, digest);
  const target = { ...given, mediaType: provenType(document, mediaType || given.mediaType, session) };
  const labels = {
    ...session.source,
    ...(isIndex(target.mediaType)
      ? indexLabels(parse(Index, document, target))
      : manifestLabels(parse(Manifest, document, target))),
  };
  if (there) await services.content.update(ns, { digest, labels }, labelPaths(labels));
  else await store(session, target, bytes, labels);
  return { target, document };
}

/** The digest of bytes by the algorithm of another digest. */
function digestAs(like: string, bytes: Uint8Array): string {
  const algorithm = like.split(":")[0]!;
  if (algorithm !== "sha256" && algorithm !== "sha384" && algorithm !== "sha512") {
    throw new ServiceError("InvalidArgument", `${like}: unsupported digest algorithm`);
  }
  return `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;
}

/** The media type of a document: what it says itself, else what came with it, else what its shape says. */
function provenType(document: unknown, claimed: string, session: Session): string {
  const { mediaType, schemaVersion, manifests, config, layers } = (document ?? {}) as Record<string, unknown>;
  const v1 =
    schemaVersion === 1 ||
    claimed === MediaType.dockerManifestV1 ||
    claimed === MediaType.dockerManifestV1Signed;
  if (v1) {
    throw new ServiceError(
      "Unimplemented",
      `Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the author of ${familiarString(session.reference)} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2.`,
    );
  }
  // A document that can be read as both would be one thing to us and another to the next program (CVE-2021-41190).
  const list = manifests !== undefined;
  const single = config !== undefined || layers !== undefined;
  if (list === single) {
    throw new ServiceError(
      "InvalidArgument",
      list
        ? "ambiguous manifest: it has both manifests and config or layers"
        : "manifest has neither manifests nor config and layers",
    );
  }
  const known = (type: unknown): type is string =>
    typeof type === "string" && (isIndex(type) || isManifest(type));
  const type = known(mediaType) ? mediaType : known(claimed) ? claimed : undefined;
  if (type === undefined) {
    if (typeof mediaType === "string" || /^application\/vnd\./.test(claimed)) {
      throw new ServiceError(
        "InvalidArgument",
        `unsupported manifest media type and no default available: ${mediaType ?? claimed}`,
      );
    }
    return list ? MediaType.index : MediaType.manifest;
  }
  if (isIndex(type) !== list) {
    throw new ServiceError("InvalidArgument", `manifest is no ${type}, although it says so`);
  }
  return type;
}

async function store(
  session: Session,
  target: Descriptor,
  bytes: Uint8Array,
  labels: Record<string, string>,
): Promise<void> {
  const { ns, services } = session;
  const ref = ingestRef(target);
  await services.leases.addResource(ns, session.lease, { type: "ingests", id: ref });
  await session.locks.run(`blob ${ns} ${target.digest}`, session.signal, async () => {
    try {
      const writer = await services.content.writer(ns, ref, { total: target.size, expected: target.digest });
      try {
        if (writer.status().offset > 0) await writer.truncate(0);
        await writer.write(bytes);
        await writer.commit(bytes.length, target.digest, labels);
      } finally {
        await writer.close().catch(() => {});
      }
    } catch (error) {
      if (!hasCode(error, "AlreadyExists")) throw error;
      await services.content.update(ns, { digest: target.digest, labels }, labelPaths(labels));
    }
  });
}

async function fetchConfig(session: Session, descriptor: Descriptor): Promise<ConfigRootfs> {
  // As with manifests: a config is read into memory whole.
  if (descriptor.size > 2 * MANIFEST_LIMIT) throw tooLarge(session, descriptor);
  await fetchBlob(session, descriptor, session.source);
  const bytes = await readBlob(session, descriptor.digest, 2 * MANIFEST_LIMIT);
  const parsed = ConfigRootfs.safeParse(parseJson(bytes, descriptor.digest));
  if (!parsed.success) {
    throw new ServiceError(
      "InvalidArgument",
      `${formatReference(session.reference)} is no container image: config ${descriptor.digest} (${descriptor.mediaType}): ${reason(parsed.error)}`,
    );
  }
  return parsed.data;
}

const tooLarge = ({ reference }: Session, { digest, size }: Descriptor) =>
  new ServiceError(
    "ResourceExhausted",
    `${familiarString(reference)}: document ${digest} of ${size} bytes is too large: refused`,
  );
