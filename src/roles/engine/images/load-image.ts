// An image of an archive into the store: layers first, then the documents.
import type { Fd } from "../../../../ffi/fd.ts";
import { toByteName } from "../../../../ffi/tree.ts";
import type { ProgressLine } from "../../../spec/engine/image.ts";
import { layerCompression, MediaType } from "../../../spec/oci/image.ts";
import { UNCOMPRESSED } from "../../../wire/containerd/labels.ts";
import type { Descriptor } from "../../../wire/containerd/services.ts";
import { contentOf, findIn, reopened } from "../build/tree.ts";
import type { Engine } from "../engine.ts";
import { badRequest } from "../errors.ts";
import { hold } from "./leased.ts";
import type { ArchivedImage } from "./load-archive.ts";
import { bar } from "./progress.ts";
import { putBlob, putLayer, type StoredLayer, unpackLayer, type WriteGround } from "./write.ts";

type Say = (line: ProgressLine) => Promise<void>;

const REPORT_BYTES = 4 << 20;

/** A layer's bytes out of the archive, telling how far it is. */
async function* layerBytes(root: Fd, path: string, id: string, say: Say): AsyncGenerator<Uint8Array> {
  const found = findIn(root, toByteName(path));
  if (!found) throw badRequest(`invalid archive: ${path} is missing`);
  using place = found.fd;
  using file = reopened(place);
  const total = found.stat.size;
  let current = 0;
  let told = 0;
  for (const chunk of contentOf(file)) {
    current += chunk.length;
    yield chunk.slice();
    if (current - told < REPORT_BYTES && current < total) continue;
    told = current;
    await say({
      status: "Loading layer",
      progressDetail: { current, total },
      progress: bar(current, total),
      id,
    });
  }
}

const isGzip = (start: Uint8Array): boolean => start[0] === 0x1f && start[1] === 0x8b;
const isZstd = (start: Uint8Array): boolean =>
  start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd;

/** How a file in a docker-archive is compressed: nothing there says it but its first bytes. */
async function mediaTypeOf(root: Fd, path: string): Promise<string> {
  for await (const start of layerBytes(root, path, "", async () => {})) {
    if (isGzip(start)) return MediaType.layerGzip;
    return isZstd(start) ? MediaType.layerZstd : MediaType.layer;
  }
  return MediaType.layer;
}

/** Whether the blob is in the store; then it is held there. */
async function isHere({ services, namespace }: WriteGround, digest: string): Promise<boolean> {
  await hold(services, namespace, { type: "content", id: digest });
  return await services.content.info(namespace, digest).then(
    () => true,
    () => false,
  );
}

async function storeLayer(
  ground: WriteGround,
  root: Fd,
  path: string,
  diffId: string,
  known: Descriptor | undefined,
  say: Say,
): Promise<StoredLayer> {
  const id = diffId.slice("sha256:".length, "sha256:".length + 12);
  if (known && (await isHere(ground, known.digest))) return { descriptor: known, diffId };
  const bytes = layerBytes(root, path, id, say);
  const mediaType = known?.mediaType ?? (await mediaTypeOf(root, path));
  // A plain tar that no manifest names is compressed, as it would be for a push.
  if (!known && layerCompression(mediaType) === "none") {
    const layer = await putLayer(ground, bytes);
    if (layer.diffId !== diffId)
      throw badRequest(`invalid diffID for layer ${path}: expected ${diffId}, got ${layer.diffId}`);
    return layer;
  }
  const descriptor = await putBlob(ground, bytes, mediaType, () => ({ [UNCOMPRESSED]: diffId }));
  if (known && descriptor.digest !== known.digest) {
    throw badRequest(`invalid archive: ${path} has the digest ${descriptor.digest}`);
  }
  return { descriptor, diffId };
}

/** Stores and unpacks the image, nameless. Returns its id. */
export async function storeArchived(
  engine: Engine,
  root: Fd,
  image: ArchivedImage,
  say: Say,
): Promise<string> {
  const { services, namespace } = engine;
  const ground: WriteGround = { services, namespace, snapshotter: engine.config.snapshotter };
  const { diff_ids } = image.config.rootfs;
  const layers: Descriptor[] = [];
  let chainId = "";
  for (const [i, path] of image.layers.entries()) {
    const known = image.manifest?.document.layers[i];
    const descriptor = known && { mediaType: known.mediaType, digest: known.digest, size: known.size };
    const layer = await storeLayer(ground, root, path, diff_ids[i]!, descriptor, say);
    layers.push(layer.descriptor);
    chainId = await unpackLayer(ground, layer, chainId);
  }
  return await engine.images.create({
    configBytes: image.configBytes,
    config: image.config,
    layers,
    ...(image.manifest ? { manifest: image.manifest } : {}),
  });
}
