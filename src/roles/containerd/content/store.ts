// The content store: files are shared by all namespaces, records (and so visibility) are per namespace.

import { currentLease } from "../../../wire/containerd/lease.ts";
import {
  type ContentInfo,
  type ContentStore,
  type ContentWriter,
  type IngestStatus,
  type Labels,
  ServiceError,
} from "../../../wire/containerd/services.ts";
import { ContentCreateSchema, ContentDeleteSchema } from "../../../wire/gen/events/store_pb.ts";
import { alreadyExists, fromDisk, invalid, notFound } from "../errors.ts";
import type { EventBus } from "../events/bus.ts";
import { checkFieldpaths, updateLabels } from "../fieldpaths.ts";
import { labelField, matcher } from "../filters/match.ts";
import type { Collector } from "../gc/schedule.ts";
import { checkLabels, checkNamespace } from "../identifiers.ts";
import { addToLease } from "../leases/store.ts";
import { labelsOf, type Metadata, touchNamespace } from "../metadata/database.ts";
import type { BlobFiles } from "./blobs.ts";
import { parseDigest } from "./digest.ts";
import type { Ingests } from "./ingests.ts";
import { DiskWriter } from "./writer.ts";

interface Row {
  digest: string;
  size: number;
  labels: string;
  created: number;
  updated: number;
}

const info = (row: Row): ContentInfo => ({
  digest: row.digest,
  size: row.size,
  labels: labelsOf(row.labels),
  createdAt: new Date(row.created),
  updatedAt: new Date(row.updated),
});

function infoField(one: ContentInfo, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case "digest":
      return one.digest;
    case "size":
      return String(one.size);
    case "labels":
      return labelField(one.labels, path.slice(1));
    default:
      return undefined;
  }
}

const statusField = (one: IngestStatus, path: readonly string[]): string | undefined =>
  path[0] === "ref" ? one.ref : undefined;

export class LocalContent implements ContentStore {
  constructor(
    private readonly meta: Metadata,
    private readonly events: EventBus,
    private readonly gc: Collector,
    private readonly blobs: BlobFiles,
    private readonly ingests: Ingests,
  ) {}

  #get(ns: string, digest: string): ContentInfo {
    checkNamespace(ns);
    parseDigest(digest);
    const row = this.meta.get<Row>("SELECT * FROM content WHERE ns = ? AND digest = ?", ns, digest);
    if (!row) throw notFound(`content digest ${digest}`);
    return info(row);
  }

  async info(ns: string, digest: string): Promise<ContentInfo> {
    return this.#get(ns, digest);
  }

  async update(
    ns: string,
    given: Pick<ContentInfo, "digest" | "labels">,
    fieldpaths?: string[],
  ): Promise<ContentInfo> {
    checkLabels(given.labels);
    checkFieldpaths(fieldpaths, ["labels", "labels."], `content info ${given.digest}`);
    const updated = this.meta.change(`update content ${given.digest}`, () => {
      const old = this.#get(ns, given.digest);
      this.meta.run(
        "UPDATE content SET labels = ?, updated = ? WHERE ns = ? AND digest = ?",
        JSON.stringify(updateLabels(old.labels, given.labels, fieldpaths)),
        Date.now(),
        ns,
        given.digest,
      );
      return this.#get(ns, given.digest);
    });
    this.gc.soon();
    return updated;
  }

  async list(ns: string, filters?: string[]): Promise<ContentInfo[]> {
    checkNamespace(ns);
    const holds = matcher(filters, infoField);
    return this.meta
      .all<Row>("SELECT * FROM content WHERE ns = ? ORDER BY digest", ns)
      .map(info)
      .filter(holds);
  }

  async delete(ns: string, digest: string): Promise<void> {
    const others = this.meta.free(`delete content ${digest}`, () => {
      this.#get(ns, digest);
      this.meta.run("DELETE FROM content WHERE ns = ? AND digest = ?", ns, digest);
      return this.meta.get("SELECT 1 FROM content WHERE digest = ? LIMIT 1", digest);
    });
    if (!others) this.blobs.remove(digest);
    this.events.emit(ns, "/content/delete", ContentDeleteSchema, { digest });
  }

  async *read(
    ns: string,
    digest: string,
    range: { offset?: number; size?: number } = {},
  ): AsyncGenerator<Uint8Array> {
    this.#get(ns, digest);
    yield* this.blobs.read(digest, range.offset ?? 0, range.size);
  }

  file(digest: string): string {
    return this.blobs.path(digest);
  }

  async statuses(ns: string, filters?: string[]): Promise<IngestStatus[]> {
    checkNamespace(ns);
    return this.ingests.list(ns).filter(matcher(filters, statusField));
  }

  async status(ns: string, ref: string): Promise<IngestStatus> {
    checkNamespace(ns);
    return this.ingests.get(ns, ref);
  }

  async abort(ns: string, ref: string): Promise<void> {
    checkNamespace(ns);
    this.ingests.abort(ns, ref);
  }

  async writer(
    ns: string,
    ref: string,
    options: { total?: number; expected?: string } = {},
  ): Promise<ContentWriter> {
    checkNamespace(ns);
    if (ref === "") throw invalid("ref must not be empty");
    const { total = 0, expected = "" } = options;
    const lease = currentLease();
    if (expected !== "" && this.#adopt(ns, expected, total, lease)) {
      throw alreadyExists(`content ${expected}`);
    }
    try {
      if (lease !== undefined) {
        this.meta.change(`lease ingest ${ref}`, () =>
          addToLease(this.meta, ns, lease, { type: "ingests", id: ref }),
        );
      }
      const ingest = this.ingests.open(ns, ref, total, expected);
      return await DiskWriter.open(this.ingests, ingest, (file, digest, size, labels) =>
        this.#accept(ns, ref, file, { digest, size, labels }, lease),
      );
    } catch (error) {
      throw fromDisk(error, `open ingest ${ref}`);
    }
  }

  /** Whether the blob is there already. One that only other namespaces have becomes this one's too, without its labels. */
  #adopt(ns: string, digest: string, total: number, lease: string | undefined): boolean {
    const here = this.meta.get("SELECT 1 FROM content WHERE ns = ? AND digest = ?", ns, digest);
    const size = here ? undefined : this.blobs.size(digest);
    if (!here && (size === undefined || (total > 0 && total !== size))) return false;
    if (here && lease === undefined) return true;
    this.meta.change(`record content ${digest}`, () => {
      if (size !== undefined) this.#insert(ns, { digest, size, labels: {} });
      addToLease(this.meta, ns, lease, { type: "content", id: digest });
    });
    return true;
  }

  #insert(ns: string, blob: { digest: string; size: number; labels: Labels }): boolean {
    const now = Date.now();
    touchNamespace(this.meta, ns);
    const { changes } = this.meta.run(
      "INSERT INTO content (ns, digest, size, labels, created, updated) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      ns,
      blob.digest,
      blob.size,
      JSON.stringify(blob.labels),
      now,
      now,
    );
    return changes > 0;
  }

  /** A verified and synced file becomes the blob: in one turn, so that the collector never sees a file without a record. */
  #accept(
    ns: string,
    ref: string,
    file: string,
    blob: { digest: string; size: number; labels: Labels },
    lease: string | undefined,
  ): void {
    checkLabels(blob.labels);
    this.blobs.place(file, blob.digest);
    let fresh: boolean;
    try {
      fresh = this.meta.change(`record content ${blob.digest}`, () => {
        const inserted = this.#insert(ns, blob);
        addToLease(this.meta, ns, lease, { type: "content", id: blob.digest });
        // Whoever held the ingest holds the blob from now on.
        this.meta.run(
          `INSERT INTO lease_resource (ns, lease, type, id)
           SELECT ns, lease, 'content', ? FROM lease_resource WHERE ns = ? AND type = 'ingests' AND id = ?
           ON CONFLICT DO NOTHING`,
          blob.digest,
          ns,
          ref,
        );
        this.meta.run("DELETE FROM lease_resource WHERE ns = ? AND type = 'ingests' AND id = ?", ns, ref);
        return inserted;
      });
    } catch (error) {
      if (!this.meta.get("SELECT 1 FROM content WHERE digest = ? LIMIT 1", blob.digest)) {
        this.blobs.remove(blob.digest);
      }
      throw error;
    }
    if (!fresh) throw new ServiceError("AlreadyExists", `content ${blob.digest}: already exists`);
    this.events.emit(ns, "/content/create", ContentCreateSchema, {
      digest: blob.digest,
      size: BigInt(blob.size),
    });
  }
}
