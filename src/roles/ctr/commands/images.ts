import { log } from "../../../observe/log.ts";
import { chainIds } from "../../../spec/oci/image.ts";
import { type Image, ServiceError, type Services } from "../../../wire/containerd/services.ts";
import { type Command, type Group, QUIET, SNAPSHOTTER, UsageError } from "../command.ts";
import { binarySize, labelArgs, labelsText } from "../format.ts";
import { contentOf, manifestOf, platformsOf } from "../image-content.ts";
import { NARROW, table } from "../table.ts";
import { exportCommand, importCommand } from "./archive.ts";
import { convert } from "./convert.ts";
import { mount, unmount } from "./mount.ts";
import { pull } from "./pull.ts";
import { push } from "./push.ts";
import { usage } from "./usage.ts";

const sum = (sizes: readonly { size: number }[]): number =>
  sizes.reduce((total, { size }) => total + size, 0);

const list: Command = {
  names: ["list", "ls"],
  about: "list images known to containerd",
  use: "[command options] [flags] [<filter>, ...]",
  flags: [QUIET("print only the image refs")],
  async run({ services, ns, flags, args, out }) {
    const { images, content } = await services();
    const all = await images.list(ns, args);
    if (flags.boolean("quiet")) {
      out(all.map(({ name }) => `${name}\n`).join(""));
      return 0;
    }
    const rows: string[][] = [];
    for (const { name, target, labels } of all) {
      const size = await manifestOf(content, ns, target).then(
        ({ blobs, indexes }) => binarySize(sum([...indexes, ...blobs])),
        () => "-",
      );
      const platforms = await platformsOf(content, ns, target).catch(() => []);
      const shown = platforms.join(",") || "-";
      rows.push([name, target.mediaType, target.digest, size, shown, labelsText(labels, "-")]);
    }
    out(table([["REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS"], ...rows], NARROW));
    return 0;
  },
};

/** How much of an image is there, and whether its layers are unpacked. */
async function checked({ content, snapshots }: Services, ns: string, snapshotter: string, image: Image) {
  let blobs: Awaited<ReturnType<typeof manifestOf>>["blobs"];
  try {
    ({ blobs } = await manifestOf(content, ns, image.target));
  } catch {
    return { status: "unavailable (0/?)", size: "0.0 B/?", unpacked: false, available: false };
  }
  // What counts is below the manifest: its config and layers.
  const required = blobs.slice(1);
  const there: typeof blobs = [];
  for (const blob of required) {
    await content.info(ns, blob.digest).then(
      () => there.push(blob),
      () => {},
    );
  }
  const whole = there.length === required.length;
  const unpacked =
    whole &&
    (await contentOf(content, ns, image.target).then(
      async ({ config }) => {
        const top = chainIds(config.rootfs.diff_ids).at(-1);
        if (top === undefined) return true;
        return snapshots
          .snapshotter(snapshotter)
          .stat(ns, top)
          .then(
            () => true,
            () => false,
          );
      },
      () => false,
    ));
  return {
    status: `${whole ? "complete" : "incomplete"} (${there.length}/${required.length})`,
    size: `${binarySize(sum(there))}/${binarySize(sum(required))}`,
    unpacked,
    available: true,
  };
}

const check: Command = {
  names: ["check"],
  about: "check existing images to ensure all content is available locally",
  use: "[command options] [flags] [<filter>, ...]",
  flags: [QUIET("print only the ready image refs (fully downloaded and unpacked)"), SNAPSHOTTER],
  async run({ services, ns, flags, args, out }) {
    const all = await services();
    const rows: string[][] = [];
    for (const image of await all.images.list(ns, args)) {
      const { status, size, unpacked, available } = await checked(
        all,
        ns,
        flags.string("snapshotter"),
        image,
      );
      if (flags.boolean("quiet")) {
        if (available && status.startsWith("complete") && unpacked) out(`${image.name}\n`);
      } else
        rows.push([image.name, image.target.mediaType, image.target.digest, status, size, `${unpacked}`]);
    }
    if (!flags.boolean("quiet")) {
      out(table([["REF", "TYPE", "DIGEST", "STATUS", "SIZE", "UNPACKED"], ...rows], NARROW, "header"));
    }
    return 0;
  },
};

const remove: Command = {
  names: ["delete", "del", "remove", "rm"],
  about: "remove one or more images by reference",
  use: "[command options] [flags] <ref> [<ref>, ...]",
  flags: [
    { name: "sync", kind: "boolean", about: "Synchronously remove image and all associated resources" },
  ],
  async run({ services, ns, flags, args, out }) {
    const { images } = await services();
    let failed: Error | undefined;
    for (const [at, name] of args.entries()) {
      try {
        await images.delete(ns, name, { sync: flags.boolean("sync") && at === args.length - 1 });
        out(`${name}\n`);
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        if (error.code === "NotFound") log("warning", `${name}: image not found`);
        else {
          failed ??= new UsageError(`unable to delete ${name}: ${error.message}`);
          log("error", `unable to delete ${name}`, { error });
        }
      }
    }
    if (failed) throw failed;
    return 0;
  },
};

const tag: Command = {
  names: ["tag"],
  about: "tag an image",
  use: "[command options] [flags] <source_ref> <target_ref> [<target_ref>, ...]",
  flags: [
    {
      name: "force",
      kind: "boolean",
      about: "force target_ref to be created, regardless if it already exists",
    },
  ],
  async run({ services, ns, flags, args: [source, ...targets], out }) {
    if (!source) throw new UsageError("please provide an image reference to tag from");
    if (targets.length === 0) throw new UsageError("please provide an image reference to tag to");
    const { images } = await services();
    const { labels, target } = await images.get(ns, source);
    for (const name of targets) {
      try {
        await images.create(ns, { name, labels, target });
      } catch (error) {
        if (!(error instanceof ServiceError && error.code === "AlreadyExists" && flags.boolean("force")))
          throw error;
        await images.update(ns, { name, labels, target });
      }
      out(`${name}\n`);
    }
    return 0;
  },
};

const label: Command = {
  names: ["label"],
  about: "set and clear labels for an image",
  use: "[command options] [flags] <name> [<key>=<value>, ...]",
  flags: [{ name: "replace-all", aliases: ["r"], kind: "boolean", about: "replace all labels" }],
  async run({ services, ns, flags, args: [name, ...words], out }) {
    if (!name) throw new UsageError("please specify an image");
    const { images } = await services();
    const old = await images.get(ns, name);
    const labels = labelArgs(words);
    const paths = flags.boolean("replace-all")
      ? ["labels"]
      : Object.keys(labels).map((key) => `labels.${key}`);
    const updated = paths.length === 0 ? old : await images.update(ns, { ...old, labels }, paths);
    out(`${labelsText(updated.labels)}\n`);
    return 0;
  },
};

export const images: Group = {
  about: "manage images",
  commands: [
    check,
    exportCommand,
    importCommand,
    list,
    mount,
    unmount,
    pull,
    push,
    remove,
    tag,
    label,
    convert,
    usage,
  ],
};
