// Snapshot records in the metadata database.
import type { SnapshotInfo, SnapshotKind } from "../../../wire/containerd/services.ts";
import { labelsOf, type Metadata } from "../metadata/database.ts";
import type { SnapshotRecord } from "./directories.ts";

export const SNAPSHOTTER = "overlayfs";

export interface Row {
  id: number;
  ns: string;
  name: string;
  parent: number | null;
  parent_name: string | null;
  kind: SnapshotKind;
  labels: string;
  size: number | null;
  inodes: number | null;
  created: number;
  updated: number;
}

const SELECT = `SELECT s.*, p.name AS parent_name FROM snapshot s LEFT JOIN snapshot p ON p.id = s.parent
  WHERE s.snapshotter = '${SNAPSHOTTER}'`;

export const findRow = (meta: Metadata, ns: string, name: string): Row | undefined =>
  meta.get<Row>(`${SELECT} AND s.ns = ? AND s.name = ?`, ns, name);

export const listRows = (meta: Metadata, ns: string): Row[] =>
  meta.all<Row>(`${SELECT} AND s.ns = ? ORDER BY s.name`, ns);

export const allRows = (meta: Metadata): Row[] => meta.all<Row>(`${SELECT} ORDER BY s.id`);

/** Numbers of the ancestors, the nearest first. */
export function ancestors(meta: Metadata, row: Row): number[] {
  return meta
    .all<{ id: number }>(
      `WITH RECURSIVE chain (id, parent, depth) AS (
         SELECT id, parent, 0 FROM snapshot WHERE id = ?
         UNION ALL SELECT s.id, s.parent, depth + 1 FROM snapshot s JOIN chain c ON s.id = c.parent)
       SELECT id FROM chain WHERE depth > 0 ORDER BY depth`,
      row.id,
    )
    .map(({ id }) => id);
}

export const info = (row: Row): SnapshotInfo => ({
  name: row.name,
  parent: row.parent_name ?? "",
  kind: row.kind,
  labels: labelsOf(row.labels),
  createdAt: new Date(row.created),
  updatedAt: new Date(row.updated),
});

/** Adds a record, under a number of its own or (when a lost database is rebuilt) a given one. Returns the number. */
export function insertRow(meta: Metadata, one: SnapshotRecord, id: number | null = null): number {
  return meta.run(
    `INSERT INTO snapshot (id, snapshotter, ns, name, parent, kind, labels, created, updated)
     VALUES (?, '${SNAPSHOTTER}', ?, ?, ?, ?, ?, ?, ?)`,
    id,
    one.ns,
    one.name,
    one.parent,
    one.kind,
    JSON.stringify(one.labels),
    one.created,
    one.updated,
  ).id;
}
