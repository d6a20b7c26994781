import { isatty } from "../../../../ffi/terminal.ts";
import { any, type Command } from "../command.ts";
import { platformQuery } from "../flags/platform.ts";
import { saveStream } from "./export.ts";

export const save: Command = {
  use: "[OPTIONS] IMAGE [IMAGE...]",
  short: "Save one or more images to a tar archive (streamed to STDOUT by default)",
  aliases: ["docker image save", "docker save"],
  flags: [
    { name: "output", short: "o", kind: "string", usage: "Write to a file, instead of STDOUT" },
    {
      name: "platform",
      kind: "string",
      usage: 'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
  ],
  args: { min: 1, max: any },
  async run({ cli, flags, args }) {
    const output = flags.string("output");
    const platform = platformQuery(flags.string("platform"));
    if (output === "" && isatty(1)) {
      throw new Error("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    }
    await saveStream(
      () => cli.client.bytes("GET", "/images/get", { query: { names: args, platform } }),
      output,
    );
    return 0;
  },
};
