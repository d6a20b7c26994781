// Single objects and whole images between registries and the content store, without image records.
import { isIndex, isManifest } from "../../../spec/oci/image.ts";
import { parsePlatform } from "../../../spec/oci/platform.ts";
import { withLease } from "../../../wire/containerd/lease.ts";
import { RegistryPusher } from "../../../wire/distribution/pusher.ts";
import { formatReference, parseReference, parseTagged } from "../../../wire/distribution/reference.ts";
import { RegistryResolver } from "../../../wire/distribution/registry.ts";
import { type Command, LOCAL, UsageError } from "../command.ts";
import type { Flags } from "../flags.ts";
import { writeOut } from "../output.ts";
import { authOf, Display, registryFlags } from "../registry.ts";

const connection = (flags: Flags) => ({
  auth: authOf(flags.string("user"), flags.string("refresh")),
  insecure: flags.boolean("plain-http") || flags.boolean("skip-verify"),
});

export const fetch: Command = {
  names: ["fetch"],
  about: "fetch all content for an image into containerd",
  use: "[command options] [flags] <remote> <object>",
  flags: [
    ...registryFlags,
    { name: "platform", kind: "string", about: "Pull content from a specific platform" },
    LOCAL,
  ],
  async run({ transfer, ns, flags, args: [reference] }) {
    if (!reference) throw new UsageError("please provide an image reference to fetch");
    const display = new Display(process.stdout.isTTY);
    const platform = flags.string("platform");
    const { auth, insecure } = connection(flags);
    await (await transfer()).pull(
      ns,
      {
        reference,
        ...(auth ? { auth } : {}),
        insecure,
        unpack: false,
        ...(platform === "" ? {} : { platform: parsePlatform(platform) }),
      },
      (progress) => display.show(progress),
    );
    return 0;
  },
};

export const fetchObject: Command = {
  names: ["fetch-object"],
  about: "retrieve objects from a remote",
  use: "[command options] [flags] <remote> <object> [<hint>, ...]",
  flags: registryFlags,
  async run({ flags, args: [name] }) {
    if (!name) throw new UsageError("please provide an image reference");
    const { descriptor, fetcher } = await new RegistryResolver(connection(flags)).resolve(parseTagged(name));
    const { mediaType, digest } = descriptor;
    if (isManifest(mediaType) || isIndex(mediaType)) await writeOut((await fetcher.manifest(digest)).bytes);
    else for await (const chunk of (await fetcher.blob(digest, 0)).bytes) await writeOut(chunk);
    return 0;
  },
};

export const pushObject: Command = {
  names: ["push-object"],
  about: "push an object to a remote",
  use: "[command options] [flags] <remote> <object> <type>",
  flags: registryFlags,
  async run({ services, ns, flags, args: [remote, digest, mediaType], out }) {
    if (!remote || !digest || !mediaType) {
      throw new UsageError("please provide a remote, a digest and a media type");
    }
    const { content, leases } = await services();
    const { size } = await content.info(ns, digest);
    const reference = parseReference(remote);
    const pusher = new RegistryPusher(reference, connection(flags));
    const lease = await leases.create(ns, "");
    try {
      await withLease(lease.id, async () => {
        await leases.addResource(ns, lease.id, { type: "content", id: digest });
        if (isManifest(mediaType) || isIndex(mediaType)) {
          const parts: Uint8Array[] = [];
          for await (const part of content.read(ns, digest)) parts.push(part);
          const name = reference.tag ?? reference.digest ?? digest;
          await pusher.manifest(name, mediaType, Buffer.concat(parts));
        } else if (!(await pusher.hasBlob(digest))) {
          await pusher.blob(
            { mediaType, digest, size },
            (offset, count) =>
              content.read(ns, digest, { offset, ...(count === undefined ? {} : { size: count }) }),
            [],
          );
        }
      });
    } finally {
      await leases.delete(ns, lease.id).catch(() => {});
    }
    out(`Pushed ${formatReference(reference)} ${digest}\n`);
    return 0;
  },
};
