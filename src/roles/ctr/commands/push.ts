import { resolve } from "node:path";
import { parsePlatform } from "../../../spec/oci/platform.ts";
import { type Command, LOCAL, UsageError } from "../command.ts";
import { authOf, Display, registryFlags } from "../registry.ts";

export const push: Command = {
  names: ["push"],
  about: "push an image to a remote",
  use: "[command options] [flags] <remote> [<local>]",
  flags: [
    ...registryFlags,
    LOCAL,
    { name: "platform", kind: "string", about: "push content from a specific platform" },
  ],
  async run({ transfer, ns, flags, args: [reference, local] }) {
    if (!reference) throw new UsageError("please provide a remote image reference to push");
    const mover = await transfer();
    const auth = authOf(flags.string("user"), flags.string("refresh"));
    const platform = flags.string("platform");
    const display = new Display(process.stdout.isTTY);
    const abort = new AbortController();
    process.once("SIGINT", () => abort.abort());
    await mover.push(
      ns,
      {
        reference,
        image: local ?? reference,
        ...(auth ? { auth } : {}),
        ...(platform === "" ? {} : { platform: parsePlatform(platform) }),
        ...(flags.string("hosts-dir") === "" ? {} : { hostsDir: resolve(flags.string("hosts-dir")) }),
        insecure: flags.boolean("plain-http") || flags.boolean("skip-verify"),
        signal: abort.signal,
      },
      (progress) => display.show(progress),
    );
    return 0;
  },
};
