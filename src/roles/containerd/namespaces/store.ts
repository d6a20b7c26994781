// Namespaces: a name and labels. They also come to be with the first thing that is made in them.
import type { NamespaceInfo, Namespaces } from "../../../wire/containerd/services.ts";
import {
  NamespaceCreateSchema,
  NamespaceDeleteSchema,
  NamespaceUpdateSchema,
} from "../../../wire/gen/events/store_pb.ts";
import { alreadyExists, notFound, precondition, quote } from "../errors.ts";
import type { EventBus } from "../events/bus.ts";
import { checkFieldpaths, updateLabels } from "../fieldpaths.ts";
import { checkIdentifier, checkLabels } from "../identifiers.ts";
import { labelsOf, type Metadata } from "../metadata/database.ts";

interface Row {
  name: string;
  labels: string;
}

const info = (row: Row): NamespaceInfo => ({ name: row.name, labels: labelsOf(row.labels) });

/** What keeps a namespace from being deleted, in containerd's words. */
const CONTENTS: readonly [what: string, sql: string][] = [
  ["images", "SELECT 1 FROM image WHERE ns = ? LIMIT 1"],
  ["blobs", "SELECT 1 FROM content WHERE ns = ? LIMIT 1"],
  ["containers", "SELECT 1 FROM container WHERE ns = ? LIMIT 1"],
  [`snapshots on "overlayfs" snapshotter`, "SELECT 1 FROM snapshot WHERE ns = ? LIMIT 1"],
];

export class LocalNamespaces implements Namespaces {
  constructor(
    private readonly meta: Metadata,
    private readonly events: EventBus,
  ) {}

  #row(name: string): Row {
    const row = this.meta.get<Row>("SELECT * FROM namespace WHERE name = ?", name);
    if (!row) throw notFound(`namespace ${quote(name)}`);
    return row;
  }

  /** One that nobody made has no labels: dockerd and ctr ask for theirs before anything is in it. */
  async get(name: string): Promise<NamespaceInfo> {
    const row = this.meta.get<Row>("SELECT * FROM namespace WHERE name = ?", name);
    return row ? info(row) : { name, labels: {} };
  }

  async list(): Promise<NamespaceInfo[]> {
    return this.meta.all<Row>("SELECT * FROM namespace ORDER BY name").map(info);
  }

  async create({ name, labels }: NamespaceInfo): Promise<NamespaceInfo> {
    checkIdentifier(name);
    checkLabels(labels);
    this.meta.change(`create namespace ${quote(name)}`, () => {
      const { changes } = this.meta.run(
        "INSERT INTO namespace (name, labels) VALUES (?, ?) ON CONFLICT DO NOTHING",
        name,
        JSON.stringify(labels),
      );
      if (changes === 0) throw alreadyExists(`namespace ${quote(name)}`);
    });
    this.events.emit(name, "/namespaces/create", NamespaceCreateSchema, { name, labels: { ...labels } });
    return { name, labels };
  }

  async update(given: NamespaceInfo, fieldpaths?: string[]): Promise<NamespaceInfo> {
    checkLabels(given.labels);
    checkFieldpaths(fieldpaths, ["labels", "labels."], "namespace");
    const updated = this.meta.change(`update namespace ${quote(given.name)}`, () => {
      const old = info(this.#row(given.name));
      const labels = updateLabels(old.labels, given.labels, fieldpaths);
      this.meta.run("UPDATE namespace SET labels = ? WHERE name = ?", JSON.stringify(labels), given.name);
      return { name: given.name, labels };
    });
    this.events.emit(given.name, "/namespaces/update", NamespaceUpdateSchema, {
      name: updated.name,
      labels: { ...updated.labels },
    });
    return updated;
  }

  async delete(name: string): Promise<void> {
    this.meta.free(`delete namespace ${quote(name)}`, () => {
      this.#row(name);
      const still = CONTENTS.filter(([, sql]) => this.meta.get(sql, name)).map(([what]) => what);
      if (still.length > 0) {
        throw precondition(`namespace ${quote(name)} must be empty, but it still has ${still.join(", ")}`);
      }
      this.meta.run("DELETE FROM lease WHERE ns = ?", name);
      this.meta.run("DELETE FROM namespace WHERE name = ?", name);
    });
    this.events.emit(name, "/namespaces/delete", NamespaceDeleteSchema, { name });
  }
}
