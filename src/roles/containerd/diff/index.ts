// The Diff service: layers onto snapshots, and snapshots into layers.
import { isErrno } from "../../../../ffi/errno.ts";
import { layerCompression, MediaType } from "../../../spec/oci/image.ts";
import { takeAfterLower } from "../../../store/tar/directories.ts";
import { ArchiveError } from "../../../store/tar/entry.ts";
import {
  type ContentStore,
  type Descriptor,
  type Diff,
  ServiceError,
} from "../../../wire/containerd/services.ts";
import { UnpackPool } from "../unpack/pool.ts";
import { makeLayer } from "./make.ts";
import { targetOf } from "./target.ts";

/** The Diff service over a content store of this process. */
export function createDiff(content: ContentStore): Diff {
  return {
    async apply(ns, layer, mounts) {
      checkLayer(layer);
      // NotFound before anything is written.
      const { size } = await content.info(ns, layer.digest);
      const { directory, opaque, lower } = targetOf(mounts);
      using pool = new UnpackPool();
      try {
        const unpacking = pool.begin(content.file!(layer.digest), { directory, opaque });
        unpacking.grown(size);
        unpacking.end();
        const unpacked = await unpacking.done;
        takeAfterLower(directory, unpacked.implied, lower);
        return { mediaType: MediaType.layer, digest: unpacked.digest, size: unpacked.size };
      } catch (error) {
        throw fromExtraction(error, layer);
      }
    },
    diff: (ns, lower, upper, options) => makeLayer(content, ns, lower, upper, options),
  };
}

/** Throws Unimplemented for what is no layer. */
function checkLayer({ mediaType }: Descriptor): void {
  if (layerCompression(mediaType) !== undefined) return;
  throw new ServiceError(
    "Unimplemented",
    `no processor for media type ${JSON.stringify(mediaType)}: it is no layer`,
  );
}

/** A failed extraction in containerd's words. */
export function fromExtraction(error: unknown, layer: Descriptor): unknown {
  if (error instanceof ServiceError || (error instanceof Error && error.name === "AbortError")) return error;
  const message = error instanceof Error ? error.message : String(error);
  const text = `failed to extract layer ${layer.digest}: ${message}`;
  if (isErrno(error, "ENOSPC", "EDQUOT"))
    return new ServiceError("ResourceExhausted", text, { cause: error });
  return new ServiceError(error instanceof ArchiveError ? "InvalidArgument" : "Internal", text, {
    cause: error,
  });
}
