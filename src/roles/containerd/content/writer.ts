// One writer on one ingest. Bytes are hashed as they are appended; commit verifies, makes durable and hands over to the store.
import {
  closeSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { isErrno } from "../../../../ffi/errno.ts";
import type { ContentWriter, IngestStatus, Labels } from "../../../wire/containerd/services.ts";
import { fromDisk, invalid, precondition } from "../errors.ts";
import { type Algorithm, parseDigest } from "./digest.ts";
import type { Ingest, Ingests } from "./ingests.ts";

const dataSync = promisify(fdatasync);
const fullSync = promisify(fsync);

/** After so many bytes what was written is synced, so that a power cut costs no more than this. */
const CHECKPOINT = 32 << 20;
const CHUNK = 1 << 20;

/** What the store does with a verified, synced file: places the blob and records it, in one turn. */
export type Accept = (file: string, digest: string, size: number, labels: Labels) => void;

export class DiskWriter implements ContentWriter {
  readonly #fd: number;
  readonly #algorithm: Algorithm;
  #hash: Bun.CryptoHasher;
  #offset: number;
  #updatedAt: Date;
  #open = true;

  private constructor(
    private readonly ingests: Ingests,
    private readonly ingest: Ingest,
    private readonly accept: Accept,
    fd: number,
  ) {
    this.#fd = fd;
    const { expected } = ingest.status;
    this.#algorithm = expected === "" ? "sha256" : parseDigest(expected).algorithm;
    this.#hash = new Bun.CryptoHasher(this.#algorithm);
    this.#offset = 0;
    this.#updatedAt = fstatSync(fd).mtime;
  }

  /** Opens the ingest's data and hashes what is there already. The caller holds the ingest's lock; on failure it is freed. */
  static async open(ingests: Ingests, ingest: Ingest, accept: Accept): Promise<DiskWriter> {
    let fd: number | undefined;
    try {
      fd = openSync(ingest.data, "r+");
      const writer = new DiskWriter(ingests, ingest, accept, fd);
      await writer.#rehash(fstatSync(fd).size);
      return writer;
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      ingests.unlock(ingest);
      throw fromDisk(error, `open ingest ${ingest.ref}`);
    }
  }

  async #rehash(size: number): Promise<void> {
    this.#hash = new Bun.CryptoHasher(this.#algorithm);
    this.#offset = 0;
    const chunk = new Uint8Array(Math.min(CHUNK, size));
    while (this.#offset < size) {
      const got = readSync(this.#fd, chunk, 0, Math.min(chunk.length, size - this.#offset), this.#offset);
      if (got === 0) break;
      this.#hash.update(chunk.subarray(0, got));
      this.#offset += got;
      // A gigabyte takes a second to hash: let others run.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #must(): void {
    if (!this.#open) throw invalid(`ingest ${this.ingest.ref}: writer is closed`);
  }

  get file(): string {
    return this.ingest.data;
  }

  status(): IngestStatus {
    const { ref, status } = this.ingest;
    return {
      ref,
      offset: this.#offset,
      total: status.total,
      expected: status.expected,
      startedAt: new Date(status.startedAt),
      updatedAt: this.#updatedAt,
    };
  }

  digest(): string {
    return `${this.#algorithm}:${this.#hash.copy().digest("hex")}`;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#must();
    try {
      for (let at = 0; at < chunk.length; ) {
        const wrote = writeSync(this.#fd, chunk, at, chunk.length - at, this.#offset);
        this.#hash.update(chunk.subarray(at, at + wrote));
        at += wrote;
        this.#offset += wrote;
      }
    } catch (error) {
      // On a full disk what was ingested so far only keeps the disk full.
      if (isErrno(error, "ENOSPC", "EDQUOT")) this.#discard();
      throw fromDisk(error, `write to ingest ${this.ingest.ref}`);
    }
    this.#updatedAt = new Date();
    const { synced } = this.ingest.status;
    if (this.#offset - synced >= CHECKPOINT) {
      const reached = this.#offset;
      await dataSync(this.#fd);
      if (this.#open && this.#offset >= reached) this.ingests.checkpoint(this.ingest, reached);
    }
  }

  async truncate(offset: number): Promise<void> {
    this.#must();
    if (offset < 0 || offset > this.#offset) {
      throw invalid(`cannot truncate ingest ${this.ingest.ref} of ${this.#offset} bytes to ${offset}`);
    }
    try {
      if (this.ingest.status.synced > offset) this.ingests.checkpoint(this.ingest, offset);
      ftruncateSync(this.#fd, offset);
      await this.#rehash(offset);
    } catch (error) {
      throw fromDisk(error, `truncate ingest ${this.ingest.ref}`);
    }
  }

  async commit(size: number, expected: string | undefined, labels: Labels = {}): Promise<{ digest: string }> {
    this.#must();
    const { ref } = this.ingest;
    if (size > 0 && size !== this.#offset) {
      throw precondition(`${JSON.stringify(ref)} failed size validation: ${this.#offset} != ${size}`);
    }
    const digest = this.digest();
    const wanted = expected || this.ingest.status.expected;
    if (wanted !== "" && wanted !== digest) {
      // Its bytes are wrong for good; resuming them could never succeed.
      this.#discard();
      throw precondition(`unexpected commit digest ${digest}, expected ${wanted}`);
    }
    this.#open = false;
    try {
      await fullSync(this.#fd);
      this.accept(this.ingest.data, digest, this.#offset, labels);
      return { digest };
    } catch (error) {
      throw fromDisk(error, `commit ingest ${ref}`);
    } finally {
      closeSync(this.#fd);
      this.ingests.discard(this.ingest);
    }
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
    this.ingests.unlock(this.ingest);
  }

  #discard(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
    this.ingests.discard(this.ingest);
  }
}
