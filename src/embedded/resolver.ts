// The binary itself as a registry, behind the same interface as a real one.
import { ServiceError } from "../wire/containerd/services.ts";
import { familiarName, familiarString } from "../wire/distribution/reference.ts";
import type { Fetcher, Resolver } from "../wire/distribution/resolver.ts";
import { helloImage } from "./hello.ts";

/** The registry name that stands for this binary. ".internal" is never a name on the Internet. */
export const EMBEDDED_DOMAIN = "bunker.internal";

/** The embedded image's reference. */
export const HELLO = `${EMBEDDED_DOMAIN}/hello:latest`;

const fetcher: Fetcher = {
  async manifest(digest) {
    return blobOf(digest);
  },
  async blob(digest, offset) {
    const { bytes } = blobOf(digest);
    return {
      offset,
      bytes: (async function* () {
        yield bytes.subarray(offset);
      })(),
    };
  },
};

function blobOf(digest: string): { mediaType: string; bytes: Uint8Array } {
  const found = helloImage().blobs.get(digest);
  if (!found)
    throw new ServiceError("NotFound", `blob ${digest} is not embedded in this executable: not found`);
  return found;
}

export const embeddedResolver: Resolver = {
  async resolve(reference) {
    const { target } = helloImage();
    if (reference.path !== "hello") {
      throw new ServiceError(
        "NotFound",
        `repository ${familiarName(reference)} not found: this executable holds only ${EMBEDDED_DOMAIN}/hello`,
      );
    }
    const wanted = reference.digest ?? target.digest;
    if (
      wanted !== target.digest ||
      (reference.digest === undefined && (reference.tag ?? "latest") !== "latest")
    ) {
      throw new ServiceError(
        "NotFound",
        `manifest for ${familiarString(reference)} not found: manifest unknown: manifest unknown`,
      );
    }
    return { descriptor: target, fetcher };
  },
};
