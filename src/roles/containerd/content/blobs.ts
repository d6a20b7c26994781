// Finished blobs on disk: blobs/<algorithm>/<hex>, read-only files, placed whole by rename.
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isErrno } from "../../../../ffi/errno.ts";
import { syncDirectory } from "../../../store/atomic.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { fromDisk, notFound } from "../errors.ts";
import { parseDigest } from "./digest.ts";

const CHUNK = 1 << 20;

export class BlobFiles {
  readonly #directory: string;

  constructor(root: string) {
    this.#directory = join(root, "blobs");
    mkdirSync(join(this.#directory, "sha256"), { recursive: true, mode: 0o755 });
    syncDirectory(this.#directory);
  }

  path(digest: string): string {
    const { algorithm, hex } = parseDigest(digest);
    return join(this.#directory, algorithm, hex);
  }

  /** Size of a blob's file; undefined when it is not there. */
  size(digest: string): number | undefined {
    return statSync(this.path(digest), { throwIfNoEntry: false })?.size;
  }

  /** Takes a synced file in as the blob: rename → fsync directory. An existing file of that digest stays. */
  place(file: string, digest: string): void {
    const path = this.path(digest);
    if (existsSync(path)) return;
    const directory = dirname(path);
    if (!existsSync(directory)) {
      mkdirSync(directory, { mode: 0o755 });
      syncDirectory(this.#directory);
    }
    chmodSync(file, 0o444);
    renameSync(file, path);
    syncDirectory(directory);
  }

  remove(digest: string): void {
    rmSync(this.path(digest), { force: true });
  }

  /** Digests of all files. */
  list(): string[] {
    return readdirSync(this.#directory).flatMap((algorithm) =>
      readdirSync(join(this.#directory, algorithm)).map((hex) => `${algorithm}:${hex}`),
    );
  }

  /** The bytes [offset, offset+size) in chunks. The file stays open, so a deletion in between cuts nothing off. */
  async *read(digest: string, offset: number, size: number | undefined): AsyncGenerator<Uint8Array> {
    const file = await open(this.path(digest), "r").catch((error) => {
      throw isErrno(error, "ENOENT") ? notFound(`content ${digest}`) : fromDisk(error, `read blob ${digest}`);
    });
    try {
      const total = (await file.stat()).size;
      if (offset < 0 || offset > total) {
        throw new ServiceError(
          "OutOfRange",
          `read past the end of ${digest}: offset ${offset}, size ${total}: out of range`,
        );
      }
      const end = size === undefined || size <= 0 ? total : Math.min(total, offset + size);
      for (let at = offset; at < end; ) {
        const chunk = new Uint8Array(Math.min(CHUNK, end - at));
        const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
        if (bytesRead === 0) {
          throw new ServiceError("DataLoss", `blob ${digest} ends at ${at}, expected ${end}: data loss`);
        }
        at += bytesRead;
        yield bytesRead === chunk.length ? chunk : chunk.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }
}
