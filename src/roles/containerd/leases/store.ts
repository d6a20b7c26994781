// Leases: what keeps ingests, blobs and snapshots from the garbage collector while nothing else refers to them yet.
import {
  type Lease,
  type LeaseResource,
  type Leases,
  ServiceError,
} from "../../../wire/containerd/services.ts";
import { alreadyExists, invalid, notFound, quote } from "../errors.ts";
import { labelField, matcher } from "../filters/match.ts";
import { EXPIRE_LABEL, expiry } from "../gc/labels.ts";
import type { Collector } from "../gc/schedule.ts";
import { checkLabels, checkNamespace } from "../identifiers.ts";
import { labelsOf, type Metadata, touchNamespace } from "../metadata/database.ts";

interface Row {
  id: string;
  labels: string;
  created: number;
}

const lease = (row: Row): Lease => ({
  id: row.id,
  labels: labelsOf(row.labels),
  createdAt: new Date(row.created),
});

function fieldOf(one: Lease, path: readonly string[]): string | undefined {
  if (path[0] === "id") return one.id;
  return path[0] === "labels" ? labelField(one.labels, path.slice(1)) : undefined;
}

function checkResource({ id, type }: LeaseResource): void {
  const [kind, ...rest] = type.split("/");
  if (kind === "content" || kind === "ingests") {
    if (rest.length > 0) throw invalid(`invalid resource type ${quote(type)}`);
    if (kind === "content" && !/^[a-z0-9]+:[0-9a-f]+$/.test(id)) {
      throw invalid(`invalid content resource id ${quote(id)}`);
    }
  } else if (kind === "snapshots") {
    if (rest.length !== 1 || rest[0] === "") throw invalid(`invalid snapshot resource type ${quote(type)}`);
  } else {
    throw new ServiceError("Unimplemented", `resource type ${type} not supported yet: not implemented`);
  }
  if (id === "") throw invalid("resource id must not be empty");
}

/** As containerd makes them up for a client that names none: nanoseconds and three random bytes. */
const randomId = (): string =>
  `${process.hrtime()[1]}-${Buffer.from(crypto.getRandomValues(new Uint8Array(3))).toString("base64url")}`;

export class LocalLeases implements Leases {
  constructor(
    private readonly meta: Metadata,
    private readonly gc: Collector,
  ) {}

  #must(ns: string, id: string): void {
    checkNamespace(ns);
    if (!this.meta.get("SELECT 1 FROM lease WHERE ns = ? AND id = ?", ns, id)) {
      throw notFound(`lease ${quote(id)}`);
    }
  }

  async create(ns: string, given: string, labels: Lease["labels"] = {}): Promise<Lease> {
    checkNamespace(ns);
    const id = given === "" ? randomId() : given;
    checkLabels(labels);
    const until = labels[EXPIRE_LABEL];
    if (until !== undefined && expiry(labels) === undefined) {
      throw invalid(`label ${EXPIRE_LABEL}=${quote(until)} is no RFC 3339 time`);
    }
    const now = Date.now();
    this.meta.change(`create lease ${quote(id)}`, () => {
      touchNamespace(this.meta, ns);
      const { changes } = this.meta.run(
        "INSERT INTO lease (ns, id, labels, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        ns,
        id,
        JSON.stringify(labels),
        now,
      );
      if (changes === 0) throw alreadyExists(`lease ${quote(id)}`);
    });
    const end = expiry(labels);
    if (end !== undefined) this.gc.at(end);
    return { id, labels, createdAt: new Date(now) };
  }

  async delete(ns: string, id: string, options: { sync?: boolean } = {}): Promise<void> {
    checkNamespace(ns);
    this.meta.free(`delete lease ${quote(id)}`, () => {
      const { changes } = this.meta.run("DELETE FROM lease WHERE ns = ? AND id = ?", ns, id);
      if (changes === 0) throw notFound(`lease ${quote(id)}`);
    });
    if (options.sync) await this.gc.now();
    else this.gc.soon();
  }

  async list(ns: string, filters?: string[]): Promise<Lease[]> {
    checkNamespace(ns);
    const holds = matcher(filters, fieldOf);
    return this.meta
      .all<Row>("SELECT id, labels, created FROM lease WHERE ns = ? ORDER BY id", ns)
      .map(lease)
      .filter(holds);
  }

  async addResource(ns: string, id: string, resource: LeaseResource): Promise<void> {
    checkResource(resource);
    this.meta.change(`add resource to lease ${quote(id)}`, () => {
      this.#must(ns, id);
      addToLease(this.meta, ns, id, resource);
    });
  }

  async deleteResource(ns: string, id: string, resource: LeaseResource): Promise<void> {
    checkResource(resource);
    this.meta.change(`delete resource from lease ${quote(id)}`, () => {
      this.#must(ns, id);
      this.meta.run(
        "DELETE FROM lease_resource WHERE ns = ? AND lease = ? AND type = ? AND id = ?",
        ns,
        id,
        resource.type,
        resource.id,
      );
    });
    this.gc.soon();
  }

  async listResources(ns: string, id: string): Promise<LeaseResource[]> {
    this.#must(ns, id);
    return this.meta.all<LeaseResource>(
      "SELECT type, id FROM lease_resource WHERE ns = ? AND lease = ? ORDER BY type, id",
      ns,
      id,
    );
  }
}

/** Puts a resource under a lease, inside a transaction of the caller's. NotFound when the lease is gone. */
export function addToLease(
  meta: Metadata,
  ns: string,
  id: string | undefined,
  { type, id: resource }: LeaseResource,
): void {
  if (id === undefined) return;
  if (!meta.get("SELECT 1 FROM lease WHERE ns = ? AND id = ?", ns, id)) throw notFound(`lease ${quote(id)}`);
  meta.run(
    "INSERT INTO lease_resource (ns, lease, type, id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    ns,
    id,
    type,
    resource,
  );
}

/** Takes a resource out of whatever lease holds it, inside a transaction of the caller's. */
export function dropFromLeases(meta: Metadata, ns: string, { type, id }: LeaseResource): void {
  meta.run("DELETE FROM lease_resource WHERE ns = ? AND type = ? AND id = ?", ns, type, id);
}
