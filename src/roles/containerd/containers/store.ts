// Container records: what to run and on which snapshot. A container keeps its snapshot from the garbage collector.
import type { AnyValue, ContainerRecord, Containers } from "../../../wire/containerd/services.ts";
import {
  ContainerCreateSchema,
  ContainerDeleteSchema,
  ContainerUpdateSchema,
} from "../../../wire/gen/events/store_pb.ts";
import { alreadyExists, invalid, notFound, quote } from "../errors.ts";
import type { EventBus } from "../events/bus.ts";
import { labelField, matcher } from "../filters/match.ts";
import type { Collector } from "../gc/schedule.ts";
import { checkIdentifier, checkLabels, checkNamespace } from "../identifiers.ts";
import { type Metadata, touchNamespace } from "../metadata/database.ts";
import { columns, type Row, record } from "./row.ts";
import { merge } from "./update.ts";

function fieldOf(one: ContainerRecord, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case "id":
      return one.id;
    case "runtime":
      return path[1] === "name" ? one.runtime.name : undefined;
    case "image":
      return one.image;
    case "labels":
      return labelField(one.labels, path.slice(1));
    default:
      return undefined;
  }
}

function check(one: Omit<ContainerRecord, "createdAt" | "updatedAt">): void {
  checkIdentifier(one.id);
  checkLabels(one.labels);
  for (const name of Object.keys(one.extensions)) {
    if (name === "") throw invalid("extension keys must not be zero-length");
  }
  if (one.runtime.name === "") throw invalid("container.Runtime.Name must be set");
  if (one.spec.typeUrl === "" && one.spec.value.length === 0) throw invalid("container.Spec must be set");
  if (one.snapshotKey !== "" && one.snapshotter === "") {
    throw invalid("container.Snapshotter must be set if container.SnapshotKey is set");
  }
}

/** google.protobuf.Any for event messages. */
const anyInit = (value: AnyValue | undefined) =>
  value && { typeUrl: value.typeUrl, value: value.value as Uint8Array<ArrayBuffer> };

export class LocalContainers implements Containers {
  constructor(
    private readonly meta: Metadata,
    private readonly events: EventBus,
    private readonly gc: Collector,
  ) {}

  #get(ns: string, id: string): ContainerRecord {
    const row = this.meta.get<Row>("SELECT * FROM container WHERE ns = ? AND id = ?", ns, id);
    if (!row) throw notFound(`container ${quote(id)} in namespace ${quote(ns)}`);
    return record(row);
  }

  async get(ns: string, id: string): Promise<ContainerRecord> {
    checkNamespace(ns);
    return this.#get(ns, id);
  }

  async list(ns: string, filters?: string[]): Promise<ContainerRecord[]> {
    checkNamespace(ns);
    const holds = matcher(filters, fieldOf);
    return this.meta
      .all<Row>("SELECT * FROM container WHERE ns = ? ORDER BY id", ns)
      .map(record)
      .filter(holds);
  }

  async create(
    ns: string,
    given: Omit<ContainerRecord, "createdAt" | "updatedAt">,
  ): Promise<ContainerRecord> {
    checkNamespace(ns);
    check(given);
    const now = Date.now();
    this.meta.change(`create container ${quote(given.id)}`, () => {
      touchNamespace(this.meta, ns);
      const values = columns(given);
      const names = Object.keys(values);
      const { changes } = this.meta.run(
        `INSERT INTO container (ns, created, updated, ${names.join(", ")}) VALUES (?, ?, ?${", ?".repeat(names.length)}) ON CONFLICT DO NOTHING`,
        ns,
        now,
        now,
        ...Object.values(values),
      );
      if (changes === 0) throw alreadyExists(`container ${quote(given.id)}`);
    });
    this.events.emit(ns, "/containers/create", ContainerCreateSchema, {
      id: given.id,
      image: given.image,
      runtime: { name: given.runtime.name, options: anyInit(given.runtime.options) },
    });
    return this.#get(ns, given.id);
  }

  async update(
    ns: string,
    given: Partial<ContainerRecord> & { id: string },
    fieldpaths?: string[],
  ): Promise<ContainerRecord> {
    checkNamespace(ns);
    if (given.id === "") throw invalid("must specify a container id");
    const updated = this.meta.change(`update container ${quote(given.id)}`, () => {
      const next = merge(this.#get(ns, given.id), given, fieldpaths);
      check(next);
      const values = columns(next);
      const names = Object.keys(values);
      this.meta.run(
        `UPDATE container SET updated = ?, ${names.map((name) => `${name} = ?`).join(", ")} WHERE ns = ? AND id = ?`,
        Date.now(),
        ...Object.values(values),
        ns,
        given.id,
      );
      return this.#get(ns, given.id);
    });
    this.events.emit(ns, "/containers/update", ContainerUpdateSchema, {
      id: updated.id,
      image: updated.image,
      labels: { ...updated.labels },
      snapshotKey: updated.snapshotKey,
    });
    return updated;
  }

  async delete(ns: string, id: string): Promise<void> {
    checkNamespace(ns);
    this.meta.free(`delete container ${quote(id)}`, () => {
      const { changes } = this.meta.run("DELETE FROM container WHERE ns = ? AND id = ?", ns, id);
      if (changes === 0) throw notFound(`container ${id}`);
    });
    this.events.emit(ns, "/containers/delete", ContainerDeleteSchema, { id });
    this.gc.soon();
  }
}
