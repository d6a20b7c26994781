// The overlayfs snapshotter. A snapshot's directory is its upper directory while it is active and a lower one of its
// children once it is committed; nothing is ever copied.
import { takeAfterLower } from "../../../store/tar/directories.ts";
import { currentLease } from "../../../wire/containerd/lease.ts";
import {
  type Labels,
  type Mount,
  ServiceError,
  type SnapshotInfo,
  type Snapshotter,
} from "../../../wire/containerd/services.ts";
import {
  SnapshotCommitSchema,
  SnapshotPrepareSchema,
  SnapshotRemoveSchema,
} from "../../../wire/gen/events/store_pb.ts";
import { alreadyExists, fromDisk, invalid, notFound, precondition, quote } from "../errors.ts";
import type { EventBus } from "../events/bus.ts";
import { checkFieldpaths, updateLabels } from "../fieldpaths.ts";
import { labelField, matcher } from "../filters/match.ts";
import type { Collector } from "../gc/schedule.ts";
import { checkLabels, checkNamespace } from "../identifiers.ts";
import { addToLease } from "../leases/store.ts";
import { labelsOf, type Metadata, touchNamespace } from "../metadata/database.ts";
import type { AsideSnapshotter } from "./aside.ts";
import type { SnapshotDirectories, SnapshotRecord } from "./directories.ts";
import { mountsOf } from "./mounts.ts";
import { ancestors, findRow, info, insertRow, listRows, type Row, SNAPSHOTTER } from "./rows.ts";
import { treeUsage } from "./usage.ts";

const RESOURCE = `snapshots/${SNAPSHOTTER}`;

function fieldOf(one: SnapshotInfo, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case "name":
      return one.name;
    case "parent":
      return one.parent;
    case "kind":
      return one.kind.toLowerCase();
    case "labels":
      return labelField(one.labels, path.slice(1));
    default:
      return undefined;
  }
}

const recordOf = (row: Row): SnapshotRecord => ({
  ns: row.ns,
  name: row.name,
  parent: row.parent,
  kind: row.kind,
  labels: labelsOf(row.labels),
  created: row.created,
  updated: row.updated,
});

export class OverlaySnapshotter implements AsideSnapshotter {
  constructor(
    private readonly meta: Metadata,
    private readonly events: EventBus,
    private readonly gc: Collector,
    private readonly directories: SnapshotDirectories,
  ) {}

  #row(ns: string, key: string): Row {
    checkNamespace(ns);
    const row = findRow(this.meta, ns, key);
    if (!row) throw notFound(`snapshot ${key} does not exist`);
    return row;
  }

  async stat(ns: string, key: string): Promise<SnapshotInfo> {
    return info(this.#row(ns, key));
  }

  async list(ns: string, filters?: string[]): Promise<SnapshotInfo[]> {
    checkNamespace(ns);
    return listRows(this.meta, ns).map(info).filter(matcher(filters, fieldOf));
  }

  async update(
    ns: string,
    given: Pick<SnapshotInfo, "name" | "labels">,
    fieldpaths?: string[],
  ): Promise<SnapshotInfo> {
    checkLabels(given.labels);
    checkFieldpaths(fieldpaths, ["labels", "labels."], `snapshot ${quote(given.name)}`);
    const updated = this.meta.change(`update snapshot ${quote(given.name)}`, () => {
      const row = this.#row(ns, given.name);
      const labels = updateLabels(labelsOf(row.labels), given.labels, fieldpaths);
      this.meta.run(
        "UPDATE snapshot SET labels = ?, updated = ? WHERE id = ?",
        JSON.stringify(labels),
        Date.now(),
        row.id,
      );
      const next = this.#row(ns, given.name);
      this.directories.write(row.id, recordOf(next));
      return info(next);
    });
    this.gc.soon();
    return updated;
  }

  async usage(ns: string, key: string): Promise<{ size: number; inodes: number }> {
    const row = this.#row(ns, key);
    if (row.size !== null && row.inodes !== null) return { size: row.size, inodes: row.inodes };
    const usage = await treeUsage(this.directories.upper(row.id));
    // What is committed never changes: counted once.
    if (row.kind === "Committed") {
      this.meta.change(`record the usage of snapshot ${quote(key)}`, () => {
        this.meta.run(
          "UPDATE snapshot SET size = ?, inodes = ? WHERE id = ?",
          usage.size,
          usage.inodes,
          row.id,
        );
      });
    }
    return usage;
  }

  async mounts(ns: string, key: string): Promise<Mount[]> {
    const row = this.#row(ns, key);
    if (row.kind === "Committed") throw precondition(`snapshot ${key} is not active`);
    return mountsOf(this.directories, row.id, row.kind, ancestors(this.meta, row));
  }

  prepare(ns: string, key: string, parent: string, labels: Labels = {}): Promise<Mount[]> {
    return this.#make("Active", ns, key, parent, labels);
  }

  view(ns: string, key: string, parent: string, labels: Labels = {}): Promise<Mount[]> {
    return this.#make("View", ns, key, parent, labels);
  }

  async #make(
    kind: "Active" | "View",
    ns: string,
    key: string,
    parent: string,
    labels: Labels,
  ): Promise<Mount[]> {
    checkNamespace(ns);
    if (key === "") throw invalid("snapshot key must not be empty");
    checkLabels(labels);
    const lease = currentLease();
    let made: number | undefined;
    try {
      this.meta.change(`prepare snapshot ${quote(key)}`, () => {
        if (findRow(this.meta, ns, key)) throw alreadyExists(`snapshot ${quote(key)}`);
        const under = parent === "" ? undefined : findRow(this.meta, ns, parent);
        if (parent !== "" && !under) throw notFound(`parent snapshot ${parent} does not exist`);
        if (under && under.kind !== "Committed") {
          throw invalid(`parent ${quote(parent)} is not committed snapshot`);
        }
        touchNamespace(this.meta, ns);
        const now = Date.now();
        const record: SnapshotRecord = {
          ns,
          name: key,
          parent: under?.id ?? null,
          kind,
          labels,
          created: now,
          updated: now,
        };
        const id = insertRow(this.meta, record);
        addToLease(this.meta, ns, lease, { type: RESOURCE, id: key });
        this.directories.make(id, record);
        made = id;
      });
    } catch (error) {
      // The record did not come to be, so the directories must not stay.
      if (made !== undefined) await this.directories.remove(made);
      throw error;
    }
    if (kind === "Active") {
      this.events.emit(ns, "/snapshot/prepare", SnapshotPrepareSchema, {
        key,
        parent,
        snapshotter: SNAPSHOTTER,
      });
    }
    return this.mounts(ns, key);
  }

  async commit(ns: string, name: string, key: string, labels: Labels = {}): Promise<void> {
    checkLabels(labels);
    if (name === "") throw invalid("snapshot name must not be empty");
    this.#active(ns, name, key);
    // First the bytes, then the record: a layer that was not synced is never called committed.
    await this.#synced(key);
    this.#commit(ns, name, key, labels);
  }

  /** Resolves when everything that was written into snapshots before is on the disk. */
  sync(): Promise<void> {
    return this.directories.sync();
  }

  async commitOnto(
    ns: string,
    name: string,
    key: string,
    onto: { parent: string; implied: readonly string[] },
    labels: Labels = {},
  ): Promise<void> {
    checkLabels(labels);
    const row = this.#active(ns, name, key);
    if (onto.parent !== "") {
      const parent = this.#parent(ns, onto.parent);
      const lower = [parent.id, ...ancestors(this.meta, parent)].map((id) => this.directories.upper(id));
      takeAfterLower(this.directories.upper(row.id), onto.implied, lower);
      const moved = this.directories.takeAfter(row.id, parent.id);
      if (moved || onto.implied.length > 0) await this.#synced(key);
    }
    this.#commit(ns, name, key, labels, onto.parent);
  }

  async #synced(key: string): Promise<void> {
    await this.directories.sync().catch((error) => {
      throw fromDisk(error, `commit snapshot ${quote(key)}`);
    });
  }

  #parent(ns: string, name: string): Row {
    const row = this.#row(ns, name);
    if (row.kind !== "Committed") throw invalid(`parent ${quote(name)} is not committed snapshot`);
    return row;
  }

  #commit(ns: string, name: string, key: string, labels: Labels, onto?: string): void {
    this.meta.change(`commit snapshot ${quote(key)}`, () => {
      const row = this.#active(ns, name, key);
      this.meta.run(
        `UPDATE snapshot SET name = ?, parent = ?, kind = 'Committed', labels = ?, updated = ?, size = NULL, inodes = NULL
         WHERE id = ?`,
        name,
        onto ? this.#parent(ns, onto).id : row.parent,
        JSON.stringify(labels),
        Date.now(),
        row.id,
      );
      // Whoever held the active snapshot holds the committed one from now on.
      this.meta.run(
        "UPDATE OR REPLACE lease_resource SET id = ? WHERE ns = ? AND type = ? AND id = ?",
        name,
        ns,
        RESOURCE,
        key,
      );
      addToLease(this.meta, ns, currentLease(), { type: RESOURCE, id: name });
      this.directories.write(row.id, recordOf(this.#row(ns, name)));
    });
    this.events.emit(ns, "/snapshot/commit", SnapshotCommitSchema, { key, name, snapshotter: SNAPSHOTTER });
  }

  #active(ns: string, name: string, key: string): Row {
    const row = this.#row(ns, key);
    if (findRow(this.meta, ns, name)) throw alreadyExists(`snapshot ${quote(name)}`);
    if (row.kind !== "Active") throw precondition(`snapshot ${key} is not active`);
    return row;
  }

  async remove(ns: string, key: string): Promise<void> {
    const id = this.meta.free(`remove snapshot ${quote(key)}`, () => {
      const row = this.#row(ns, key);
      if (this.meta.get("SELECT 1 FROM snapshot WHERE parent = ? LIMIT 1", row.id)) {
        throw precondition("cannot remove snapshot with child");
      }
      this.meta.run("DELETE FROM snapshot WHERE id = ?", row.id);
      return row.id;
    });
    this.events.emit(ns, "/snapshot/remove", SnapshotRemoveSchema, { key, snapshotter: SNAPSHOTTER });
    await this.directories.remove(id);
    // Its parents may have been kept by it alone.
    this.gc.soon();
  }
}

/** The snapshotters by name; "" is the default one. */
export function snapshotters(overlayfs: Snapshotter): { snapshotter(name: string): Snapshotter } {
  return {
    snapshotter(name) {
      if (name === "" || name === SNAPSHOTTER) return overlayfs;
      throw new ServiceError("InvalidArgument", `snapshotter not loaded: ${name}: invalid argument`);
    },
  };
}
