// Image names and what they point at. An image is a root of the garbage collector.
import type { Descriptor, Image, Images } from "../../../wire/containerd/services.ts";
import {
  ImageCreateSchema,
  ImageDeleteSchema,
  ImageUpdateSchema,
} from "../../../wire/gen/events/image_pb.ts";
import { alreadyExists, invalid, notFound, quote } from "../errors.ts";
import type { EventBus } from "../events/bus.ts";
import { checkFieldpaths, updateLabels } from "../fieldpaths.ts";
import { labelField, matcher } from "../filters/match.ts";
import type { Collector } from "../gc/schedule.ts";
import { checkLabels, checkNamespace } from "../identifiers.ts";
import { labelsOf, type Metadata, touchNamespace } from "../metadata/database.ts";

interface Row {
  name: string;
  labels: string;
  target: string;
  created: number;
  updated: number;
}

type Given = Pick<Image, "name" | "labels" | "target">;

const image = (row: Row): Image => ({
  name: row.name,
  labels: labelsOf(row.labels),
  target: JSON.parse(row.target) as Descriptor,
  createdAt: new Date(row.created),
  updatedAt: new Date(row.updated),
});

function fieldOf(record: Image, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case "name":
      return record.name;
    case "target":
      if (path[1] === "digest") return record.target.digest;
      if (path[1] === "mediatype") return record.target.mediaType;
      return undefined;
    case "labels":
      return labelField(record.labels, path.slice(1));
    case "annotations":
      return labelField(record.target.annotations ?? {}, path.slice(1));
    default:
      return undefined;
  }
}

function check({ name, labels, target }: Given): void {
  if (name === "") throw invalid("image name must not be empty");
  checkLabels(labels);
  if (!/^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/.test(target.digest)) {
    throw invalid(`image target digest ${quote(target.digest)}: invalid checksum digest format`);
  }
  if (target.size <= 0) throw invalid("Target.Size must be greater than zero");
  if (target.mediaType === "") throw invalid("Target.MediaType must be set");
}

export class LocalImages implements Images {
  constructor(
    private readonly meta: Metadata,
    private readonly events: EventBus,
    private readonly gc: Collector,
  ) {}

  #get(ns: string, name: string): Image {
    const row = this.meta.get<Row>("SELECT * FROM image WHERE ns = ? AND name = ?", ns, name);
    if (!row) throw notFound(`image ${quote(name)}`);
    return image(row);
  }

  async get(ns: string, name: string): Promise<Image> {
    checkNamespace(ns);
    return this.#get(ns, name);
  }

  async list(ns: string, filters?: string[]): Promise<Image[]> {
    checkNamespace(ns);
    const holds = matcher(filters, fieldOf);
    return this.meta.all<Row>("SELECT * FROM image WHERE ns = ? ORDER BY name", ns).map(image).filter(holds);
  }

  async create(ns: string, given: Given): Promise<Image> {
    checkNamespace(ns);
    check(given);
    const now = Date.now();
    this.meta.change(`create image ${quote(given.name)}`, () => {
      touchNamespace(this.meta, ns);
      const { changes } = this.meta.run(
        "INSERT INTO image (ns, name, labels, target, created, updated) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        ns,
        given.name,
        JSON.stringify(given.labels),
        JSON.stringify(given.target),
        now,
        now,
      );
      if (changes === 0) throw alreadyExists(`image ${quote(given.name)}`);
    });
    this.events.emit(ns, "/images/create", ImageCreateSchema, {
      name: given.name,
      labels: { ...given.labels },
    });
    return this.#get(ns, given.name);
  }

  async update(ns: string, given: Given, fieldpaths?: string[]): Promise<Image> {
    checkNamespace(ns);
    if (given.name === "") throw invalid("image name is required for update");
    checkFieldpaths(fieldpaths, ["labels", "labels.", "annotations", "annotations.", "target"], "image");
    const updated = this.meta.change(`update image ${quote(given.name)}`, () => {
      const old = this.#get(ns, given.name);
      const next: Given = {
        name: given.name,
        labels: updateLabels(old.labels, given.labels, fieldpaths),
        target: updateTarget(old.target, given.target, fieldpaths),
      };
      check(next);
      this.meta.run(
        "UPDATE image SET labels = ?, target = ?, updated = ? WHERE ns = ? AND name = ?",
        JSON.stringify(next.labels),
        JSON.stringify(next.target),
        Date.now(),
        ns,
        given.name,
      );
      return this.#get(ns, given.name);
    });
    this.events.emit(ns, "/images/update", ImageUpdateSchema, {
      name: updated.name,
      labels: { ...updated.labels },
    });
    // The old target may have nothing left that refers to it.
    this.gc.soon();
    return updated;
  }

  async delete(ns: string, name: string, options: { sync?: boolean } = {}): Promise<void> {
    checkNamespace(ns);
    this.meta.free(`delete image ${quote(name)}`, () => {
      const { changes } = this.meta.run("DELETE FROM image WHERE ns = ? AND name = ?", ns, name);
      if (changes === 0) throw notFound(`image ${quote(name)}`);
    });
    this.events.emit(ns, "/images/delete", ImageDeleteSchema, { name });
    if (options.sync) await this.gc.now();
    else this.gc.soon();
  }
}

function updateTarget(old: Descriptor, given: Descriptor, fieldpaths: string[] | undefined): Descriptor {
  if (!fieldpaths || fieldpaths.length === 0) return given;
  let target = old;
  for (const path of fieldpaths) {
    if (path === "target") target = given;
    else if (path === "annotations") target = { ...target, annotations: given.annotations };
    else if (path.startsWith("annotations.")) {
      const key = path.slice("annotations.".length);
      target = {
        ...target,
        annotations: { ...target.annotations, [key]: given.annotations?.[key] ?? "" },
      };
    }
  }
  return target;
}
