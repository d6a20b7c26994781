// The snapshots' directories: snapshots/<number>/{fs,work} and a copy of the record, for a database that was lost.
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, writeAtomic } from "../../../store/atomic.ts";
import type { Labels, SnapshotKind } from "../../../wire/containerd/services.ts";
import { SharedSync } from "./sync.ts";

/** What a directory says about itself. `parent` is the parent's number. */
export interface SnapshotRecord {
  ns: string;
  name: string;
  parent: number | null;
  kind: SnapshotKind;
  labels: Labels;
  created: number;
  updated: number;
}

/** Directories on their way out. */
const DOOMED = "rm-";

export class SnapshotDirectories {
  readonly #directory: string;
  readonly #sync: SharedSync;

  constructor(readonly root: string) {
    this.#directory = join(root, "snapshots");
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#sync = new SharedSync(this.#directory);
  }

  #path(id: number): string {
    return join(this.#directory, String(id));
  }

  upper(id: number): string {
    return join(this.#path(id), "fs");
  }

  work(id: number): string {
    return join(this.#path(id), "work");
  }

  exists(id: number): boolean {
    return existsSync(this.upper(id));
  }

  /** Makes a new snapshot's directories; the root directory belongs to whom the parent's does. On failure nothing is left. */
  make(id: number, record: SnapshotRecord): void {
    const path = this.#path(id);
    try {
      mkdirSync(path, { mode: 0o700 });
      mkdirSync(this.upper(id), { mode: 0o755 });
      if (record.parent !== null) this.takeAfter(id, record.parent);
      if (record.kind === "Active") mkdirSync(this.work(id), { mode: 0o711 });
      this.write(id, record);
    } catch (error) {
      rmSync(path, { recursive: true, force: true });
      throw error;
    }
  }

  /** Gives a snapshot's root directory to whom its parent's belongs; returns whether it belonged to another. */
  takeAfter(id: number, parent: number): boolean {
    const { uid, gid } = statSync(this.upper(parent));
    const own = statSync(this.upper(id));
    if (own.uid === uid && own.gid === gid) return false;
    chownSync(this.upper(id), uid, gid);
    return true;
  }

  /** Writes the copy of the record. It becomes durable with the next `sync`. */
  write(id: number, record: SnapshotRecord): void {
    writeAtomic(join(this.#path(id), "snapshot.json"), JSON.stringify(record), { durable: false });
  }

  read(id: number): SnapshotRecord | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#path(id), "snapshot.json"), "utf8")) as SnapshotRecord;
    } catch {
      return undefined;
    }
  }

  /** Makes everything of the file system durable: files, directories and records. */
  sync(): Promise<void> {
    return this.#sync.sync();
  }

  /** Numbers of all directories. */
  list(): number[] {
    return readdirSync(this.#directory)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  }

  /** Takes a directory out of sight at once; resolves when its space is free. */
  async remove(id: number): Promise<void> {
    const doomed = join(this.#directory, `${DOOMED}${id}`);
    if (!existsSync(this.#path(id))) return;
    renameSync(this.#path(id), doomed);
    await rm(doomed, { recursive: true, force: true });
  }

  /** Removes what was on its way out when we died, and every directory that is not among `known`. */
  async sweep(known: ReadonlySet<number>): Promise<number> {
    let removed = 0;
    for (const name of readdirSync(this.#directory)) {
      if (/^\d+$/.test(name) && known.has(Number(name))) continue;
      await rm(join(this.#directory, name), { recursive: true, force: true });
      removed++;
    }
    if (removed > 0) syncDirectory(this.#directory);
    return removed;
  }
}
