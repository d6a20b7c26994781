// Digests as the image spec writes them (descriptor.md#digests), for the two registered algorithms.
import { invalid, quote } from "../errors.ts";

export type Algorithm = "sha256" | "sha512";
const LENGTH: Readonly<Record<Algorithm, number>> = { sha256: 64, sha512: 128 };

/** Splits "sha256:<hex>". Throws InvalidArgument, so that no digest ever names a path outside the store. */
export function parseDigest(digest: string): { algorithm: Algorithm; hex: string } {
  const at = digest.indexOf(":");
  const algorithm = digest.slice(0, at);
  const hex = digest.slice(at + 1);
  if (at <= 0) throw invalid(`invalid checksum digest format: ${quote(digest)}`);
  if (algorithm !== "sha256" && algorithm !== "sha512") {
    throw invalid(`unsupported digest algorithm: ${quote(digest)}`);
  }
  if (hex.length !== LENGTH[algorithm]) throw invalid(`invalid checksum digest length: ${quote(digest)}`);
  if (!/^[0-9a-f]+$/.test(hex)) throw invalid(`invalid checksum digest format: ${quote(digest)}`);
  return { algorithm, hex };
}
