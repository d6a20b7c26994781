// A blob, whole: looked at, or brought again from the registries it came from.
import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { syncDirectory } from "../../../store/atomic.ts";
import { type Descriptor, type Labels, ServiceError } from "../../../wire/containerd/services.ts";
import type { ConnectionOptions } from "../../../wire/distribution/connection.ts";
import { parseReference } from "../../../wire/distribution/reference.ts";
import { repositoryFetcher } from "../../../wire/distribution/registry.ts";
import type { BlobFiles } from "../content/blobs.ts";
import { parseDigest } from "../content/digest.ts";

const PIECE = 1 << 20;
const SOURCE = "containerd.io/distribution.source.";

/** What is wrong with the file, in words; undefined when it is what its digest says. */
export async function isWhole(file: string, digest: string, size: number): Promise<string | undefined> {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found) return "missing";
  if (found.size !== size) return `${found.size} bytes, expected ${size}`;
  const hash = new Bun.CryptoHasher(parseDigest(digest).algorithm);
  const fd = openSync(file, "r");
  try {
    const piece = new Uint8Array(PIECE);
    for (let got = readSync(fd, piece); got > 0; got = readSync(fd, piece))
      hash.update(piece.subarray(0, got));
  } catch (error) {
    return `unreadable: ${(error as Error).message}`;
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex") === parseDigest(digest).hex ? undefined : "content changed";
}

/** Fetches the blob from the first registry that has it, verifies it and puts it in its place. Throws with all reasons. */
export async function bringBlob(
  files: BlobFiles,
  { digest, size }: Descriptor,
  sources: Labels,
  registry: ConnectionOptions,
): Promise<void> {
  const reasons: string[] = [];
  for (const [label, repositories] of Object.entries(sources)) {
    for (const repository of repositories.split(",")) {
      const name = `${label.slice(SOURCE.length)}/${repository}`;
      try {
        await fetchInto(files, name, digest, size, registry);
        return;
      } catch (error) {
        reasons.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  throw new Error(reasons.length > 0 ? reasons.join("; ") : "no registry is known to have it");
}

async function fetchInto(
  files: BlobFiles,
  name: string,
  digest: string,
  size: number,
  registry: ConnectionOptions,
): Promise<void> {
  const fetcher = repositoryFetcher(parseReference(name), registry);
  const place = files.path(digest);
  // Not among the blobs: the collector knows each file there by its name.
  const aside = join(dirname(dirname(dirname(place))), `repair-${process.pid}`);
  const hash = new Bun.CryptoHasher(parseDigest(digest).algorithm);
  try {
    const fd = openSync(aside, "w", 0o444);
    try {
      let got = 0;
      for await (const chunk of (await fetcher.blob(digest, 0)).bytes) {
        hash.update(chunk);
        got += chunk.length;
        if (got > size) break;
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
      }
      if (got !== size || hash.digest("hex") !== parseDigest(digest).hex)
        throw new ServiceError("DataLoss", "what the registry sent is not it");
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(aside, place);
    syncDirectory(dirname(place));
  } finally {
    rmSync(aside, { force: true });
  }
}
