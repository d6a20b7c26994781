// The labels that steer the garbage collector. https://github.com/containerd/containerd/blob/main/docs/garbage-collection.md
import type { Labels } from "../../../wire/containerd/services.ts";

export const ROOT_LABEL = "containerd.io/gc.root";
export const EXPIRE_LABEL = "containerd.io/gc.expire";
export const FLAT_LABEL = "containerd.io/gc.flat";
const CONTENT_REF = "containerd.io/gc.ref.content";
const SNAPSHOT_REF = "containerd.io/gc.ref.snapshot.";

export interface References {
  content: string[];
  snapshots: { snapshotter: string; key: string }[];
}

/** What an object's labels refer to: gc.ref.content[.x|/x]=digest, gc.ref.snapshot.<snapshotter>[/x]=key. */
export function references(labels: Labels): References {
  const refs: References = { content: [], snapshots: [] };
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(CONTENT_REF)) {
      const rest = key.slice(CONTENT_REF.length);
      if (rest === "" || rest.startsWith(".") || rest.startsWith("/")) refs.content.push(value);
    } else if (key.startsWith(SNAPSHOT_REF)) {
      const snapshotter = key.slice(SNAPSHOT_REF.length).split("/")[0]!;
      refs.snapshots.push({ snapshotter, key: value });
    }
  }
  return refs;
}

/** When an object with the gc.expire label ends (milliseconds); undefined without a readable one. */
export function expiry(labels: Labels): number | undefined {
  const text = labels[EXPIRE_LABEL];
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
