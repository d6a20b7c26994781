import { resolve } from "node:path";
import { parsePlatform } from "../../../spec/oci/platform.ts";
import { type Command, LOCAL, SNAPSHOTTER, UsageError } from "../command.ts";
import { labelArgs } from "../format.ts";
import { authOf, Display, registryFlags } from "../registry.ts";

export const pull: Command = {
  names: ["pull"],
  about: "pull an image from a remote",
  use: "[command options] [flags] <ref>",
  flags: [
    ...registryFlags,
    SNAPSHOTTER,
    LOCAL,
    { name: "label", kind: "strings", about: "labels to attach to the image" },
    { name: "platform", kind: "string", about: "Pull content from a specific platform" },
  ],
  async run({ services, transfer, ns, flags, args: [reference], out }) {
    if (!reference) throw new UsageError("please provide an image reference to pull");
    const mover = await transfer();
    const { images } = await services();
    const auth = authOf(flags.string("user"), flags.string("refresh"));
    const platform = flags.string("platform");
    const display = new Display(process.stdout.isTTY);
    const abort = new AbortController();
    process.once("SIGINT", () => abort.abort());
    const begun = performance.now();
    const image = await mover.pull(
      ns,
      {
        reference,
        ...(auth ? { auth } : {}),
        ...(platform === "" ? {} : { platform: parsePlatform(platform) }),
        ...(flags.string("hosts-dir") === "" ? {} : { hostsDir: resolve(flags.string("hosts-dir")) }),
        insecure: flags.boolean("plain-http") || flags.boolean("skip-verify"),
        snapshotter: flags.string("snapshotter"),
        signal: abort.signal,
      },
      (progress) => display.show(progress),
    );
    const labels = labelArgs(flags.strings("label"));
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    if (paths.length > 0) await images.update(ns, { ...image, labels }, paths);
    out(`${image.name} ${image.target.digest}\n`);
    out(`done: ${((performance.now() - begun) / 1000).toFixed(3)}s\n`);
    return 0;
  },
};
