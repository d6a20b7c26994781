import { hostPlatform, parsePlatform } from "../../../spec/oci/platform.ts";
import { withLease } from "../../../wire/containerd/lease.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { type Command, UsageError } from "../command.ts";
import { Converter } from "../convert.ts";
import { rfc3339 } from "../format.ts";

const LEASE_LIFE = 60 * 60 * 1000;

export const convert: Command = {
  names: ["convert"],
  about: "convert an image",
  use: "[command options] [flags] <source_ref> <target_ref>",
  flags: [
    { name: "uncompress", kind: "boolean", about: "convert tar.gz layers to uncompressed tar layers" },
    { name: "oci", kind: "boolean", about: "convert Docker media types to OCI media types" },
    { name: "platform", kind: "string", about: "Pull content from a specific platform" },
    { name: "all-platforms", kind: "boolean", about: "exports content from all platforms" },
  ],
  async run({ services, ns, flags, args: [source, name], out }) {
    if (!source || !name) throw new UsageError("src and target image need to be specified");
    const { images, content, leases } = await services();
    const from = await images.get(ns, source);
    const platform = flags.string("platform");
    const converter = new Converter(content, ns, {
      oci: flags.boolean("oci"),
      uncompress: flags.boolean("uncompress"),
      ...(flags.boolean("all-platforms")
        ? {}
        : { platform: platform === "" ? hostPlatform : parsePlatform(platform) }),
    });
    const lease = await leases.create(ns, "", {
      "containerd.io/gc.expire": rfc3339(new Date(Date.now() + LEASE_LIFE)),
    });
    try {
      await withLease(lease.id, async () => {
        const target = await converter.target(from.target);
        const { labels } = from;
        await images.create(ns, { name, labels, target }).catch(async (error) => {
          if (!(error instanceof ServiceError && error.code === "AlreadyExists")) throw error;
          await images.update(ns, { name, labels, target });
        });
        out(`${target.digest}\n`);
      });
    } finally {
      await leases.delete(ns, lease.id).catch(() => {});
    }
    return 0;
  },
};
