// Snapshots and layers (the diff service) on gRPC.
import type { Server } from "@grpc/grpc-js";
import { Diff } from "../../gen/services/diff_pb.ts";
import { Snapshots } from "../../gen/services/snapshots_pb.ts";
import {
  descriptorInit,
  descriptorOf,
  mountInit,
  mountOf,
  pathsOf,
  snapshotInit,
  snapshotOf,
} from "../convert.ts";
import { ServiceError, type Services } from "../services.ts";
import { serveOn } from "./service.ts";

const BATCH = 100;

export function serveSnapshots(server: Server, { snapshots, diff }: Services): void {
  serveOn(server, Snapshots, {
    async prepare({ snapshotter, key, parent, labels }, call) {
      const mounts = await snapshots.snapshotter(snapshotter).prepare(call.namespace, key, parent, labels);
      return { mounts: mounts.map(mountInit) };
    },
    async view({ snapshotter, key, parent, labels }, call) {
      const mounts = await snapshots.snapshotter(snapshotter).view(call.namespace, key, parent, labels);
      return { mounts: mounts.map(mountInit) };
    },
    async mounts({ snapshotter, key }, call) {
      return {
        mounts: (await snapshots.snapshotter(snapshotter).mounts(call.namespace, key)).map(mountInit),
      };
    },
    async commit({ snapshotter, name, key, labels }, call) {
      await snapshots.snapshotter(snapshotter).commit(call.namespace, name, key, labels);
      return {};
    },
    async remove({ snapshotter, key }, call) {
      await snapshots.snapshotter(snapshotter).remove(call.namespace, key);
      return {};
    },
    async stat({ snapshotter, key }, call) {
      return { info: snapshotInit(await snapshots.snapshotter(snapshotter).stat(call.namespace, key)) };
    },
    async update({ snapshotter, info, updateMask }, call) {
      const updated = await snapshots
        .snapshotter(snapshotter)
        .update(call.namespace, snapshotOf(info), pathsOf(updateMask));
      return { info: snapshotInit(updated) };
    },
    async *list({ snapshotter, filters }, call) {
      const all = await snapshots.snapshotter(snapshotter).list(call.namespace, filters);
      for (let at = 0; at < all.length; at += BATCH) {
        yield { info: all.slice(at, at + BATCH).map(snapshotInit) };
      }
    },
    async usage({ snapshotter, key }, call) {
      const { size, inodes } = await snapshots.snapshotter(snapshotter).usage(call.namespace, key);
      return { size: BigInt(size), inodes: BigInt(inodes) };
    },
    async cleanup({ snapshotter }) {
      // Nothing to do on demand: what a removal leaves is swept at boot.
      snapshots.snapshotter(snapshotter);
      throw new ServiceError("Unimplemented", `snapshotter ${snapshotter || "overlayfs"} has no cleanup`);
    },
  });

  serveOn(server, Diff, {
    async apply({ diff: layer, mounts }, call) {
      return {
        applied: descriptorInit(await diff.apply(call.namespace, descriptorOf(layer), mounts.map(mountOf))),
      };
    },
    async diff({ left, right, mediaType, ref, labels }, call) {
      const made = await diff.diff(call.namespace, left.map(mountOf), right.map(mountOf), {
        mediaType,
        ref,
        labels,
      });
      return { diff: descriptorInit(made) };
    },
  });
}
