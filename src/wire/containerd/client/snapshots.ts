// Snapshots and layers of a containerd behind a socket.
import type { Client } from "@grpc/grpc-js";
import { Diff as PbDiff } from "../../gen/services/diff_pb.ts";
import { Snapshots as PbSnapshots } from "../../gen/services/snapshots_pb.ts";
import {
  descriptorInit,
  descriptorOf,
  labelsInit,
  maskInit,
  mountInit,
  mountOf,
  snapshotOf,
} from "../convert.ts";
import type { Diff, SnapshotInfo, Snapshots, Snapshotter } from "../services.ts";
import { caller } from "./caller.ts";

/** containerd has no default over the wire: the name must be given. */
const DEFAULT = "overlayfs";

export function remoteSnapshots(client: Client): Snapshots {
  const calls = caller(client, PbSnapshots);
  const named = (snapshotter: string): Snapshotter => ({
    stat: async (ns, key) => snapshotOf((await calls.stat(ns, { snapshotter, key })).info),
    async update(ns, { name, labels }, fieldpaths) {
      const info = { name, labels: labelsInit(labels) };
      return snapshotOf(
        (await calls.update(ns, { snapshotter, info, updateMask: maskInit(fieldpaths) })).info,
      );
    },
    async usage(ns, key) {
      const { size, inodes } = await calls.usage(ns, { snapshotter, key });
      return { size: Number(size), inodes: Number(inodes) };
    },
    mounts: async (ns, key) => (await calls.mounts(ns, { snapshotter, key })).mounts.map(mountOf),
    async prepare(ns, key, parent, labels) {
      const request = { snapshotter, key, parent, labels: labelsInit(labels) };
      return (await calls.prepare(ns, request)).mounts.map(mountOf);
    },
    async view(ns, key, parent, labels) {
      const request = { snapshotter, key, parent, labels: labelsInit(labels) };
      return (await calls.view(ns, request)).mounts.map(mountOf);
    },
    async commit(ns, name, key, labels) {
      await calls.commit(ns, { snapshotter, name, key, labels: labelsInit(labels) });
    },
    async remove(ns, key) {
      await calls.remove(ns, { snapshotter, key });
    },
    async list(ns, filters) {
      const all: SnapshotInfo[] = [];
      for await (const { info } of calls.list(ns, { snapshotter, filters: filters ?? [] })) {
        all.push(...info.map(snapshotOf));
      }
      return all;
    },
  });
  return { snapshotter: (name) => named(name === "" ? DEFAULT : name) };
}

export function remoteDiff(client: Client): Diff {
  const calls = caller(client, PbDiff);
  return {
    async apply(ns, layer, mounts) {
      const request = { diff: descriptorInit(layer), mounts: mounts.map(mountInit) };
      return descriptorOf((await calls.apply(ns, request)).applied);
    },
    async diff(ns, lower, upper, { mediaType, ref, labels }) {
      const request = {
        left: lower.map(mountInit),
        right: upper.map(mountInit),
        mediaType,
        ref,
        labels: labelsInit(labels),
      };
      return descriptorOf((await calls.diff(ns, request)).diff);
    },
  };
}
