// Unfinished writes on disk: ingest/<sha256 of namespace and ref>/{ref,status,data}. They outlive every kind of death:
// `data` is appended to, `status` says how much of it was known to be on the disk at the last checkpoint.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "../../../store/atomic.ts";
import type { IngestStatus } from "../../../wire/containerd/services.ts";
import { notFound, quote, unavailable } from "../errors.ts";

/** The kernel's life in which bytes were written: page cache survives a killed process, not a reboot. */
const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

interface StatusFile {
  total: number;
  expected: string;
  startedAt: number;
  boot: string;
  /** Bytes that an fdatasync has covered. */
  synced: number;
}

export interface Ingest {
  ns: string;
  ref: string;
  directory: string;
  data: string;
  status: StatusFile;
}

export class Ingests {
  readonly #directory: string;
  /** Who writes: directory → since when. A writer lives in this process, so a killed one leaves no lock. */
  readonly #locks = new Map<string, Date>();

  constructor(root: string) {
    this.#directory = join(root, "ingest");
    mkdirSync(this.#directory, { recursive: true, mode: 0o755 });
  }

  #path(ns: string, ref: string): string {
    return join(this.#directory, new Bun.CryptoHasher("sha256").update(`${ns}/${ref}`).digest("hex"));
  }

  #load(directory: string): Ingest | undefined {
    try {
      const full = readFileSync(join(directory, "ref"), "utf8");
      const at = full.indexOf("/");
      const status = JSON.parse(readFileSync(join(directory, "status"), "utf8")) as StatusFile;
      return {
        ns: full.slice(0, at),
        ref: full.slice(at + 1),
        directory,
        data: join(directory, "data"),
        status,
      };
    } catch {
      return undefined;
    }
  }

  #shown(ingest: Ingest): IngestStatus {
    const data = statSync(ingest.data, { throwIfNoEntry: false });
    const startedAt = new Date(ingest.status.startedAt);
    return {
      ref: ingest.ref,
      offset: data?.size ?? 0,
      total: ingest.status.total,
      expected: ingest.status.expected,
      startedAt,
      updatedAt: data?.mtime ?? startedAt,
    };
  }

  /** Takes the ingest up again, or begins it, and locks it. Throws Unavailable while another writer holds it. */
  open(ns: string, ref: string, total: number, expected: string): Ingest {
    const directory = this.#path(ns, ref);
    const since = this.#locks.get(directory);
    if (since) {
      const seconds = ((Date.now() - since.getTime()) / 1000).toFixed(0);
      throw unavailable(`ref ${ns}/${ref} locked for ${seconds}s (since ${since.toISOString()})`);
    }
    const old = existsSync(directory) ? this.#load(directory) : undefined;
    const ingest = old
      ? this.#resume(old, total, expected)
      : this.#begin(directory, ns, ref, total, expected);
    this.#locks.set(directory, new Date());
    return ingest;
  }

  #begin(directory: string, ns: string, ref: string, total: number, expected: string): Ingest {
    // What is there but cannot be read was cut off while it was made.
    rmSync(directory, { recursive: true, force: true });
    try {
      mkdirSync(directory, { mode: 0o755 });
      const status: StatusFile = { total, expected, startedAt: Date.now(), boot, synced: 0 };
      const ingest: Ingest = { ns, ref, directory, data: join(directory, "data"), status };
      writeFileSync(ingest.data, "");
      this.#save(ingest);
      writeFileSync(join(directory, "ref"), `${ns}/${ref}`);
      return ingest;
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  #resume(ingest: Ingest, total: number, expected: string): Ingest {
    const { status } = ingest;
    const size = statSync(ingest.data, { throwIfNoEntry: false })?.size;
    if (size === undefined) writeFileSync(ingest.data, "");
    else if (status.boot !== boot && size > status.synced) truncateSync(ingest.data, status.synced);
    if (total > 0) status.total = total;
    if (expected !== "") status.expected = expected;
    status.boot = boot;
    this.#save(ingest);
    return ingest;
  }

  #save(ingest: Ingest): void {
    writeAtomic(join(ingest.directory, "status"), JSON.stringify(ingest.status), { durable: false });
  }

  /** Notes that the first `synced` bytes are on the disk. */
  checkpoint(ingest: Ingest, synced: number): void {
    ingest.status.synced = synced;
    this.#save(ingest);
  }

  unlock(ingest: Ingest): void {
    this.#locks.delete(ingest.directory);
  }

  /** Throws the ingest away and frees its lock. */
  discard(ingest: Ingest): void {
    rmSync(ingest.directory, { recursive: true, force: true });
    this.#locks.delete(ingest.directory);
  }

  list(ns: string): IngestStatus[] {
    return this.#all()
      .filter((ingest) => ingest.ns === ns)
      .map((ingest) => this.#shown(ingest));
  }

  get(ns: string, ref: string): IngestStatus {
    const ingest = this.#load(this.#path(ns, ref));
    if (!ingest) throw notFound(`ingest ref ${quote(ref)}`);
    return this.#shown(ingest);
  }

  /** Removes an ingest that nobody writes. Throws NotFound, or Unavailable while it is written. */
  abort(ns: string, ref: string): void {
    const directory = this.#path(ns, ref);
    if (!existsSync(directory)) throw notFound(`ingest ref ${quote(ref)}`);
    if (this.#locks.has(directory)) throw unavailable(`ref ${ns}/${ref} is being written`);
    rmSync(directory, { recursive: true, force: true });
  }

  #all(): Ingest[] {
    return readdirSync(this.#directory)
      .map((name) => this.#load(join(this.#directory, name)))
      .filter((ingest) => ingest !== undefined);
  }

  /**
   * Removes ingests that nobody writes or leases and whose last byte is older than `before`, and what is no ingest at all.
   * Returns when the oldest that is left had its last byte.
   */
  sweep(before: number, leased: ReadonlySet<string>): number | undefined {
    let oldest: number | undefined;
    for (const name of readdirSync(this.#directory)) {
      const directory = join(this.#directory, name);
      if (this.#locks.has(directory)) continue;
      const ingest = this.#load(directory);
      if (ingest && leased.has(`${ingest.ns}/${ingest.ref}`)) continue;
      // Without its data it was committed, and its process killed before it could take the rest away.
      const last = ingest && existsSync(ingest.data) ? this.#shown(ingest).updatedAt.getTime() : 0;
      if (last <= before) rmSync(directory, { recursive: true, force: true });
      else oldest = Math.min(oldest ?? last, last);
    }
    return oldest;
  }
}
