// The parts of this containerd as `ctr plugins ls` shows them, by the types and ids that containerd gave them.
import type { PluginEntry } from "./introspection.ts";

export function plugins(contentRoot: string, snapshotRoot: string): PluginEntry[] {
  const service = (id: string): PluginEntry => ({ type: "io.containerd.service.v1", id, platforms: [] });
  const grpc = (id: string): PluginEntry => ({ type: "io.containerd.grpc.v1", id, platforms: [] });
  const nouns = ["containers", "content", "diff", "images", "leases", "namespaces", "snapshots", "tasks"];
  return [
    { type: "io.containerd.content.v1", id: "content", platforms: [], exports: { root: contentRoot } },
    { type: "io.containerd.snapshotter.v1", id: "overlayfs", exports: { root: snapshotRoot } },
    { type: "io.containerd.metadata.v1", id: "sqlite", platforms: [] },
    { type: "io.containerd.gc.v1", id: "scheduler", platforms: [] },
    { type: "io.containerd.event.v1", id: "exchange", platforms: [] },
    { type: "io.containerd.differ.v1", id: "walking" },
    { type: "io.containerd.runtime.v2", id: "task" },
    { type: "io.containerd.transfer.v1", id: "local" },
    ...nouns.map((noun) => service(`${noun}-service`)),
    service("introspection-service"),
    ...[...nouns, "events", "healthcheck", "introspection", "streaming", "transfer", "version"].map(grpc),
  ];
}
