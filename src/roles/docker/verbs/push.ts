import { isatty } from "../../../../ffi/terminal.ts";
import type { ProgressLine } from "../../../spec/engine/image.ts";
import { formatReference, fullName, parseReference } from "../../../wire/distribution/reference.ts";
import type { Command } from "../command.ts";
import { credentials, encodeAuth } from "../config/credentials.ts";
import { platformQuery } from "../flags/platform.ts";
import { showProgress } from "../session/progress.ts";

const PLATFORM_NOTE = `
 Info -> Using --platform pushes only the specified platform manifest of a multi-platform image index.
         Other components, like attestations, will not be included.
         To push the complete multi-platform image, remove the --platform flag.
         
`;

export const push: Command = {
  use: "[OPTIONS] NAME[:TAG]",
  short: "Upload an image to a registry",
  aliases: ["docker image push", "docker push"],
  flags: [
    { name: "all-tags", short: "a", kind: "bool", usage: "Push all tags of an image to the repository" },
    { name: "disable-content-trust", kind: "bool", default: true, usage: "Skip image signing" },
    {
      name: "platform",
      kind: "string",
      usage: `Push a platform-specific manifest as a single-platform image to the registry.
Image index won't be pushed, meaning that other manifests, including attestations won't be preserved.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)`,
    },
    { name: "quiet", short: "q", kind: "bool", usage: "Suppress verbose output" },
  ],
  args: { min: 1, max: 1 },
  async run({ cli, flags, args }) {
    const platform = platformQuery(flags.string("platform"));
    const quiet = flags.bool("quiet");
    const all = flags.bool("all-tags");
    const reference = parseReference(args[0]!);
    if (platform !== undefined) cli.out(PLATFORM_NOTE);
    const bare = reference.tag === undefined && reference.digest === undefined;
    if (all && !bare) throw new Error("tag can't be used with --all-tags/-a");
    if (!all && bare) {
      reference.tag = "latest";
      if (!quiet) cli.out("Using default tag: latest\n");
    }
    const auth = encodeAuth(await credentials(cli.config, reference.domain));
    const lines = cli.client.lines<ProgressLine>(
      "POST",
      // The name's slashes are part of the path.
      `/images/${fullName(reference)}/push`,
      {
        query: { tag: all ? undefined : (reference.tag ?? ""), platform },
        headers: { "X-Registry-Auth": auth },
      },
    );
    await showProgress(lines, {
      terminal: !quiet && isatty(1),
      fd: 1,
      print: (text) => {
        if (!quiet) cli.out(text);
      },
    });
    if (quiet) cli.out(`${formatReference(reference)}\n`);
    return 0;
  },
};
