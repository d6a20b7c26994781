// A snapshot as a layer, and an image's layers as snapshots.
import { withLease } from "../../../wire/containerd/lease.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { type Command, UsageError } from "../command.ts";
import { labelArgs, rfc3339 } from "../format.ts";
import { contentOf } from "../image-content.ts";
import { writeOut } from "../output.ts";
import { unpackImage } from "../unpack.ts";

const LEASE_LIFE = 60 * 60 * 1000;
const GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";

export const diff: Command = {
  names: ["diff"],
  about: "get the diff of two snapshots. the default second snapshot is the first snapshot's parent.",
  use: "[command options] [flags] <idA> [<idB>]",
  flags: [
    { name: "media-type", kind: "string", about: "media type to use for creating diff", default: GZIP },
    { name: "ref", kind: "string", about: "content upload reference to use" },
    { name: "keep", kind: "boolean", about: "keep diff content. up to creator to delete it." },
    { name: "label", kind: "strings", about: "labels to attach to the image" },
  ],
  async run({ services, ns, flags, args: [first, second] }) {
    if (!first) throw new UsageError("snapshot id must be provided");
    const { snapshots, diff, content, leases } = await services();
    const snapshotter = snapshots.snapshotter(flags.string("snapshotter"));
    const { id: lease } = await leases.create(ns, "", {
      "containerd.io/gc.expire": rfc3339(new Date(Date.now() + LEASE_LIFE)),
    });
    const views: string[] = [];
    /** What a snapshot shows: a committed one has no mounts of its own, a view of it has. */
    const mountsOf = async (key: string) => {
      if (key === "") return [];
      const { kind } = await snapshotter.stat(ns, key);
      if (kind !== "Committed") return snapshotter.mounts(ns, key);
      const view = `${key}-view-${lease}`;
      const mounts = await snapshotter.view(ns, view, key);
      views.push(view);
      return mounts;
    };
    try {
      return await withLease(lease, async () => {
        const kept: Record<string, string> = flags.boolean("keep")
          ? { "containerd.io/gc.root": rfc3339(new Date()) }
          : {};
        const { parent } = await snapshotter.stat(ns, first);
        // With two names the diff leads from the first to the second.
        const [lower, upper] = second ? [first, second] : [parent, first];
        const { digest } = await diff.diff(ns, await mountsOf(lower), await mountsOf(upper), {
          mediaType: flags.string("media-type"),
          ref: flags.string("ref"),
          labels: { ...labelArgs(flags.strings("label")), ...kept },
        });
        for await (const chunk of content.read(ns, digest)) await writeOut(chunk);
        return 0;
      });
    } finally {
      for (const view of views) await snapshotter.remove(ns, view).catch(() => {});
      await leases.delete(ns, lease).catch(() => {});
    }
  },
};

export const unpack: Command = {
  names: ["unpack"],
  about: "unpack applies layers from a manifest to a snapshot",
  use: "[command options] [flags] <digest>",
  async run({ services: connect, ns, flags, args: [digest], out }) {
    if (!digest) throw new UsageError("please provide a manifest digest to unpack");
    const services = await connect();
    const found = (await services.images.list(ns)).find(({ target }) => target.digest === digest);
    if (!found) throw new ServiceError("NotFound", "manifest not found");
    out(`unpacking ${digest} (${found.target.mediaType})...`);
    await unpackImage(
      services,
      ns,
      flags.string("snapshotter"),
      await contentOf(services.content, ns, found.target),
    );
    out("done\n");
    return 0;
  },
};
