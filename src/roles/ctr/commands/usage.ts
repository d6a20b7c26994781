import { chainIds } from "../../../spec/oci/image.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { type Command, SNAPSHOTTER, UsageError } from "../command.ts";
import { binarySize } from "../format.ts";
import { contentOf } from "../image-content.ts";
import { NARROW, table } from "../table.ts";

export const usage: Command = {
  names: ["usage"],
  about: "Display usage of snapshots for a given image ref",
  use: "[command options] [flags] <ref>",
  flags: [SNAPSHOTTER],
  async run({ services, ns, flags, args: [name], out }) {
    if (!name) throw new UsageError("please provide an image reference");
    const { images, content, snapshots } = await services();
    const { config } = await contentOf(content, ns, (await images.get(ns, name)).target);
    const snapshotterName = flags.string("snapshotter") || "overlayfs";
    const snapshotter = snapshots.snapshotter(snapshotterName);
    const rows: string[][] = [];
    try {
      for (let key = chainIds(config.rootfs.diff_ids).at(-1) ?? ""; key !== ""; ) {
        const { size, inodes } = await snapshotter.usage(ns, key);
        rows.push([key, binarySize(size), `${inodes}`]);
        key = (await snapshotter.stat(ns, key)).parent;
      }
    } catch (error) {
      if (!(error instanceof ServiceError && error.code === "NotFound")) throw error;
      throw new UsageError(`image ${name} isn't unpacked in snapshotter ${snapshotterName}`);
    }
    out(table([["KEY", "SIZE", "INODES"], ...rows], NARROW));
    return 0;
  },
};
