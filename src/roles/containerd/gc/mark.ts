// What is still needed: everything that can be reached from images, containers, leases and objects labelled as roots.
import type { Labels } from "../../../wire/containerd/services.ts";
import { labelsOf, type Metadata } from "../metadata/database.ts";
import { expiry, FLAT_LABEL, type References, ROOT_LABEL, references } from "./labels.ts";

/**
 * What nothing refers to yet is left alone this long: between making it and naming it in an image or a container a client
 * may hold no lease. A run that somebody waits for spares only active snapshots and views, which hold people's data.
 */
const YOUNG = 60_000;

export interface Garbage {
  content: { ns: string; digest: string }[];
  snapshots: { id: number; ns: string; snapshotter: string; name: string }[];
  expiredLeases: { ns: string; id: string }[];
  /** Ingests that a lease holds: `${ns}/${ref}`. */
  leasedIngests: Set<string>;
  /** When the next lease ends or the next young snapshot comes of age. */
  next: number | undefined;
}

interface Node {
  marked: boolean;
  labels: Labels;
  parent?: string;
}

const contentKey = (ns: string, digest: string) => `c ${ns} ${digest}`;
const snapshotKey = (ns: string, snapshotter: string, name: string) => `s ${ns} ${snapshotter} ${name}`;

interface SnapshotRow {
  id: number;
  ns: string;
  snapshotter: string;
  name: string;
  parent: string | null;
  kind: string;
  labels: string;
  updated: number;
}

/** Reads the whole graph in one turn and says what is garbage at `now`. Changes nothing. */
export function mark(meta: Metadata, now: number, exact: boolean): Garbage {
  const nodes = new Map<string, Node>();
  let next: number | undefined;
  const wake = (time: number) => {
    next = next === undefined ? time : Math.min(next, time);
  };

  const content = meta.all<{ ns: string; digest: string; labels: string; created: number }>(
    "SELECT ns, digest, labels, created FROM content",
  );
  for (const row of content) {
    nodes.set(contentKey(row.ns, row.digest), { marked: false, labels: labelsOf(row.labels) });
  }
  const snapshots = meta.all<SnapshotRow>(
    `SELECT s.id, s.ns, s.snapshotter, s.name, p.name AS parent, s.kind, s.labels, s.updated
     FROM snapshot s LEFT JOIN snapshot p ON p.id = s.parent ORDER BY s.id DESC`,
  );
  for (const row of snapshots) {
    nodes.set(snapshotKey(row.ns, row.snapshotter, row.name), {
      marked: false,
      labels: labelsOf(row.labels),
      ...(row.parent === null ? {} : { parent: snapshotKey(row.ns, row.snapshotter, row.parent) }),
    });
  }

  const follow = (first: string, flat = false): void => {
    const stack = [first];
    for (let key = stack.pop(); key !== undefined; key = stack.pop()) {
      const node = nodes.get(key);
      if (!node || node.marked) continue;
      node.marked = true;
      if (node.parent !== undefined) stack.push(node.parent);
      if (!flat) stack.push(...keysOf(key.split(" ", 2)[1]!, references(node.labels)));
    }
  };
  const keysOf = (ns: string, refs: References): string[] => [
    ...refs.content.map((digest) => contentKey(ns, digest)),
    ...refs.snapshots.map(({ snapshotter, key }) => snapshotKey(ns, snapshotter, key)),
  ];

  for (const row of meta.all<{ ns: string; target: string; labels: string }>(
    "SELECT ns, target, labels FROM image",
  )) {
    follow(contentKey(row.ns, (JSON.parse(row.target) as { digest: string }).digest));
    for (const key of keysOf(row.ns, references(labelsOf(row.labels)))) follow(key);
  }
  for (const row of meta.all<{ ns: string; snapshotter: string; snapshot_key: string; labels: string }>(
    "SELECT ns, snapshotter, snapshot_key, labels FROM container",
  )) {
    follow(snapshotKey(row.ns, row.snapshotter, row.snapshot_key));
    for (const key of keysOf(row.ns, references(labelsOf(row.labels)))) follow(key);
  }
  for (const [key, node] of nodes) if (node.labels[ROOT_LABEL] !== undefined) follow(key);
  const spare = (key: string, created: number) => {
    if (created + YOUNG <= now || nodes.get(key)?.marked) return;
    follow(key);
    wake(created + YOUNG);
  };
  for (const row of snapshots) {
    if (exact && row.kind === "Committed") continue;
    spare(snapshotKey(row.ns, row.snapshotter, row.name), row.updated);
  }
  if (!exact) for (const row of content) spare(contentKey(row.ns, row.digest), row.created);

  // Leases come last: a flat one marks without following, and must not hide what others follow.
  const expiredLeases: Garbage["expiredLeases"] = [];
  const leasedIngests = new Set<string>();
  const flat: string[] = [];
  for (const row of meta.all<{ ns: string; id: string; labels: string }>(
    "SELECT ns, id, labels FROM lease",
  )) {
    const labels = labelsOf(row.labels);
    const end = expiry(labels);
    if (end !== undefined && end <= now) {
      expiredLeases.push({ ns: row.ns, id: row.id });
      continue;
    }
    if (end !== undefined) wake(end);
    for (const held of meta.all<{ type: string; id: string }>(
      "SELECT type, id FROM lease_resource WHERE ns = ? AND lease = ?",
      row.ns,
      row.id,
    )) {
      if (held.type === "ingests") {
        leasedIngests.add(`${row.ns}/${held.id}`);
        continue;
      }
      const key =
        held.type === "content"
          ? contentKey(row.ns, held.id)
          : snapshotKey(row.ns, held.type.slice("snapshots/".length), held.id);
      if (labels[FLAT_LABEL] !== undefined) flat.push(key);
      else follow(key);
    }
  }
  for (const key of flat) follow(key, true);

  const unmarked = (key: string) => nodes.get(key)?.marked === false;
  return {
    content: content.filter((row) => unmarked(contentKey(row.ns, row.digest))),
    snapshots: snapshots
      .filter((row) => unmarked(snapshotKey(row.ns, row.snapshotter, row.name)))
      .map(({ id, ns, snapshotter, name }) => ({ id, ns, snapshotter, name })),
    expiredLeases,
    leasedIngests,
    next,
  };
}
