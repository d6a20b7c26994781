// Makes the layer that leads from one snapshot to another: changes → tar → compression → content store, as one stream.
import { randomUUID } from "node:crypto";
import { createGzip, createZstdCompress } from "node:zlib";
import { isErrno } from "../../../../ffi/errno.ts";
import { type Compression, layerCompression, MediaType } from "../../../spec/oci/image.ts";
import type { Change } from "../../../store/changes/change.ts";
import { packLayer } from "../../../store/changes/layer.ts";
import { UnreadableMount, withChanges } from "../../../store/changes/trees.ts";
import { CHUNK, through } from "../../../store/tar/through.ts";
import { UNCOMPRESSED } from "../../../wire/containerd/labels.ts";
import {
  type ContentStore,
  type ContentWriter,
  type Descriptor,
  type Labels,
  type Mount,
  ServiceError,
} from "../../../wire/containerd/services.ts";

export interface DiffOptions {
  /** Of the layer to make; "" is an OCI layer with gzip. */
  mediaType: string;
  /** Name of the ingest; "" makes one up. */
  ref: string;
  labels?: Labels;
}

/** Writes the layer into the content store. Throws ServiceError; nothing is left of a failure. */
export async function makeLayer(
  content: Pick<ContentStore, "writer" | "abort" | "info" | "update">,
  ns: string,
  lower: readonly Mount[],
  upper: readonly Mount[],
  options: DiffOptions,
): Promise<Descriptor> {
  const mediaType = options.mediaType || MediaType.layerGzip;
  const compression = layerCompression(mediaType);
  if (compression === undefined) {
    throw new ServiceError("Unimplemented", `unsupported diff media type: ${mediaType}`);
  }
  const ref = options.ref || `diff-${randomUUID()}`;
  const writer = await content.writer(ns, ref);
  try {
    return await withChanges(lower, upper, {}, (changes) =>
      write(content, ns, writer, changes, { mediaType, compression, labels: options.labels ?? {} }),
    );
  } catch (error) {
    await writer.close();
    await content.abort(ns, ref).catch(() => {});
    throw told(error);
  } finally {
    await writer.close();
  }
}

async function write(
  content: Pick<ContentStore, "info" | "update">,
  ns: string,
  writer: ContentWriter,
  changes: Iterable<Change>,
  layer: { mediaType: string; compression: Compression; labels: Labels },
): Promise<Descriptor> {
  // Bytes of an earlier attempt: the tree may have changed since.
  if (writer.status().offset > 0) await writer.truncate(0);
  const hash = new Bun.CryptoHasher("sha256");
  const tar = (async function* () {
    for await (const chunk of packLayer(changes)) {
      hash.update(chunk);
      yield chunk;
    }
  })();
  for await (const chunk of compressed(tar, layer.compression)) await writer.write(chunk);
  const diffId = `sha256:${hash.digest("hex")}`;
  const labels = { ...layer.labels, [UNCOMPRESSED]: diffId };
  const size = writer.status().offset;
  let digest: string;
  try {
    ({ digest } = await writer.commit(size, undefined, labels));
  } catch (error) {
    // The same layer was made before: it is what was asked for.
    const there = error instanceof ServiceError && error.code === "AlreadyExists";
    const found = there ? /sha(?:256|384|512):[0-9a-f]+/.exec(error.message)?.[0] : undefined;
    if (found === undefined) throw error;
    digest = found;
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    await content.update(ns, { digest, labels }, paths);
  }
  return { mediaType: layer.mediaType, digest, size };
}

/** The bytes, compressed. Not bound to one call of Diff: converting and importing use it too. */
export function compressed(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncIterable<Uint8Array> {
  if (compression === "none") return source;
  const stream =
    compression === "gzip" ? createGzip({ chunkSize: CHUNK }) : createZstdCompress({ chunkSize: CHUNK });
  return through(source, stream, (error) => new Error(`${compression}: ${error.message}`, { cause: error }));
}

function told(error: unknown): unknown {
  if (error instanceof ServiceError || (error instanceof Error && error.name === "AbortError")) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UnreadableMount) {
    return new ServiceError("Unimplemented", `failed to write diff: ${message}`, { cause: error });
  }
  const code = isErrno(error, "ENOENT") ? "NotFound" : "Internal";
  return new ServiceError(code, `failed to write diff: ${message}`, { cause: error });
}
