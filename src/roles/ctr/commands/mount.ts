// Images as directories: a snapshot of the image, named after the directory, mounted there.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parsePlatform } from "../../../spec/oci/platform.ts";
import { withLease } from "../../../wire/containerd/lease.ts";
import { performMounts, undoMounts } from "../../../wire/containerd/mounting.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { type Command, SNAPSHOTTER, UsageError } from "../command.ts";
import { rfc3339 } from "../format.ts";
import { contentOf } from "../image-content.ts";
import { registryFlags } from "../registry.ts";
import { unpackImage } from "../unpack.ts";

const DAY = 24 * 60 * 60 * 1000;
const has = (error: unknown, code: string) => error instanceof ServiceError && error.code === code;

export const mount: Command = {
  names: ["mount"],
  about: "mount an image to a target path",
  use: "[command options] [flags] <ref> <target>",
  flags: [
    ...registryFlags,
    SNAPSHOTTER,
    { name: "rw", kind: "boolean", about: "Enable write support on the mount" },
    { name: "platform", kind: "string", about: "Mount the image for the specified platform" },
  ],
  async run({ services: connect, ns, flags, args: [name, target], out }) {
    if (!name) throw new UsageError("please provide an image reference to mount");
    if (!target) throw new UsageError("please provide a target path to mount to");
    const services = await connect();
    const image = await services.images.get(ns, name);
    const platform = flags.string("platform");
    const content = await contentOf(
      services.content,
      ns,
      image.target,
      platform === "" ? undefined : parsePlatform(platform),
    );
    const snapshotterName = flags.string("snapshotter") || "overlayfs";
    const snapshotter = services.snapshots.snapshotter(snapshotterName);
    const chainId = await unpackImage(services, ns, snapshotterName, content);
    // The lease, not an image or a container, is what holds the snapshot: for a day.
    await services.leases
      .create(ns, target, {
        "containerd.io/gc.expire": rfc3339(new Date(Date.now() + DAY)),
        [`containerd.io/gc.ref.snapshot.${snapshotterName}`]: target,
      })
      .catch((error) => {
        if (!has(error, "AlreadyExists")) throw error;
      });
    out(`${chainId}\n`);
    let made = true;
    try {
      const make = flags.boolean("rw") ? snapshotter.prepare : snapshotter.view;
      // In the lease from its first instant: the collector goes by what a lease holds, not by its labels.
      const mounts = await withLease(target, () => make.call(snapshotter, ns, target, chainId)).catch(
        (error) => {
          if (!has(error, "AlreadyExists")) throw error;
          made = false;
          return snapshotter.mounts(ns, target);
        },
      );
      if (!existsSync(target)) throw new UsageError(`${target}: no such file or directory`);
      performMounts(mounts, resolve(target));
    } catch (error) {
      if (made) {
        await snapshotter.remove(ns, target).catch(() => {});
        await services.leases.delete(ns, target).catch(() => {});
      }
      throw error;
    }
    out(`${target}\n`);
    return 0;
  },
};

export const unmount: Command = {
  names: ["unmount"],
  about: "unmount the image from the target",
  use: "[command options] [flags] <target>",
  flags: [
    ...registryFlags,
    SNAPSHOTTER,
    { name: "rm", kind: "boolean", about: "remove the snapshot after a successful unmount" },
  ],
  async run({ services, ns, flags, args: [target], out }) {
    if (!target) throw new UsageError("please provide a target path to unmount from");
    undoMounts(resolve(target));
    if (flags.boolean("rm")) {
      const { leases, snapshots } = await services();
      await leases.delete(ns, target).catch((error) => {
        if (!has(error, "NotFound")) throw error;
      });
      await snapshots
        .snapshotter(flags.string("snapshotter"))
        .remove(ns, target)
        .catch((error) => {
          if (!has(error, "NotFound"))
            throw new UsageError(`error removing snapshot: ${(error as Error).message}`);
        });
    }
    out(`${target}\n`);
    return 0;
  },
};
