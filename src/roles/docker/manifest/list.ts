// A manifest list's own document, byte for byte as the docker CLI writes it: its digest is the list's name in the registry.
import { MediaType } from "../../../spec/oci/image.ts";
import { parseReference, type Reference } from "../../../wire/distribution/reference.ts";
import type { ImageManifest } from "./store.ts";

export interface ListDocument {
  mediaType: string;
  text: string;
}

/**
 * The list of `manifests` for the repository of `target`. Throws when one of them lives in another registry, or, `pushed`, does
 * not say which platform it is for.
 */
export function listDocument(
  manifests: readonly ImageManifest[],
  target: Reference,
  pushed: boolean,
): ListDocument {
  const entries = manifests.map(({ Ref: name, Descriptor: descriptor }) => {
    const { platform } = descriptor;
    if (pushed && (!platform?.architecture || !platform.os)) {
      throw new Error(`manifest ${name} must have an OS and Architecture to be pushed to a registry`);
    }
    const { domain } = parseReference(name);
    if (domain !== target.domain) {
      throw new Error(
        `${pushed ? "" : "failed to assemble ManifestDescriptor: "}cannot use source images from a different registry than the target image: ${domain} != ${target.domain}`,
      );
    }
    return {
      mediaType: descriptor.mediaType,
      size: descriptor.size,
      digest: descriptor.digest,
      platform: {
        architecture: platform?.architecture ?? "",
        os: platform?.os ?? "",
        "os.version": platform?.["os.version"] || undefined,
        "os.features": platform?.["os.features"]?.length ? platform["os.features"] : undefined,
        variant: platform?.variant || undefined,
      },
    };
  });
  // The first one decides, as there.
  const mediaType =
    entries[0]?.mediaType === MediaType.manifest ? MediaType.index : MediaType.dockerManifestList;
  return {
    mediaType,
    text: JSON.stringify({ schemaVersion: 2, mediaType, manifests: entries }, undefined, 3),
  };
}
