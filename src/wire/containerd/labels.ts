// Labels by which containerd's garbage collector follows an image from its record to blobs and snapshots, and which say
// where a blob came from. https://github.com/containerd/containerd/blob/main/docs/garbage-collection.md
import type { Index, Manifest } from "../../spec/oci/image.ts";
import type { Reference } from "../distribution/reference.ts";

type LabelSet = Record<string, string>;

/** Which repository of which registry has this blob: containerd mounts it from there when it pushes. */
export function sourceLabel({ domain, path }: Reference): LabelSet {
  return { [`containerd.io/distribution.source.${domain}`]: path };
}

/** From an index to its manifests, the foreign ones included. */
export function indexLabels({ manifests }: Index): LabelSet {
  return Object.fromEntries(
    manifests.map(({ digest }, i) => [`containerd.io/gc.ref.content.m.${i}`, digest]),
  );
}

/** From a manifest to its config and layers. */
export function manifestLabels({ config, layers }: Manifest): LabelSet {
  return {
    "containerd.io/gc.ref.content.config": config.digest,
    ...Object.fromEntries(layers.map(({ digest }, i) => [`containerd.io/gc.ref.content.l.${i}`, digest])),
  };
}

/** From a config to the snapshot that holds the unpacked image. */
export const snapshotLabel = (snapshotter: string, chainId: string): LabelSet => ({
  [`containerd.io/gc.ref.snapshot.${snapshotter}`]: chainId,
});

/** From a layer to its diff ID. */
export const UNCOMPRESSED = "containerd.io/uncompressed";

/** On a snapshot that is being unpacked: what it will be. */
export const SNAPSHOT_REF = "containerd.io/snapshot.ref";

/** Field paths that replace just these labels. */
export const labelPaths = (labels: LabelSet): string[] => Object.keys(labels).map((key) => `labels.${key}`);
