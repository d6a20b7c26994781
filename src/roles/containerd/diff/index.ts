// The Diff service: layers onto snapshots, and snapshots into layers.
import { isErrno } from "../../../../ffi/errno.ts";
import { layerCompression, MediaType } from "../../../spec/oci/image.ts";
import { decompress } from "../../../store/tar/decompress.ts";
import { ArchiveError } from "../../../store/tar/entry.ts";
import { applyTar } from "../../../store/tar/extract.ts";
import {
  type ContentStore,
  type Descriptor,
  type Diff,
  type Mount,
  ServiceError,
} from "../../../wire/containerd/services.ts";
import { makeLayer } from "./make.ts";
import { targetOf } from "./target.ts";

/** Unpacks a layer that is still on its way; what the local Diff service offers beyond the interface. */
export type ApplyStream = (
  layer: Descriptor,
  bytes: AsyncIterable<Uint8Array>,
  mounts: readonly Mount[],
  signal?: AbortSignal,
) => Promise<Descriptor>;

export interface LocalDiff extends Diff {
  applyStream: ApplyStream;
}

/** The Diff service over a content store. */
export function createDiff(content: ContentStore): LocalDiff {
  const applyStream: ApplyStream = async (layer, bytes, mounts, signal) => {
    if (layerCompression(layer.mediaType) === undefined) {
      throw new ServiceError(
        "Unimplemented",
        `no processor for media type ${JSON.stringify(layer.mediaType)}: it is no layer`,
      );
    }
    const { directory, overlay } = targetOf(mounts);
    try {
      const { digest, size } = await applyTar(decompress(bytes), directory, { overlay, signal });
      return { mediaType: MediaType.layer, digest, size };
    } catch (error) {
      throw fromExtraction(error, layer);
    }
  };
  return {
    applyStream,
    async apply(ns, layer, mounts) {
      // NotFound before anything is written.
      await content.info(ns, layer.digest);
      return await applyStream(layer, content.read(ns, layer.digest), mounts);
    },
    diff: (ns, lower, upper, options) => makeLayer(content, ns, lower, upper, options),
  };
}

function fromExtraction(error: unknown, layer: Descriptor): unknown {
  if (error instanceof ServiceError || (error instanceof Error && error.name === "AbortError")) return error;
  const message = error instanceof Error ? error.message : String(error);
  const text = `failed to extract layer ${layer.digest}: ${message}`;
  if (isErrno(error, "ENOSPC", "EDQUOT"))
    return new ServiceError("ResourceExhausted", text, { cause: error });
  return new ServiceError(error instanceof ArchiveError ? "InvalidArgument" : "Internal", text, {
    cause: error,
  });
}
