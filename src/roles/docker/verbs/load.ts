import { isatty } from "../../../../ffi/terminal.ts";
import type { ProgressLine } from "../../../spec/engine/image.ts";
import { jsonLines } from "../../../wire/engine/lines.ts";
import type { Command } from "../command.ts";
import { platformQuery } from "../flags/platform.ts";
import { showProgress } from "../session/progress.ts";
import { fileChunks, upload } from "../session/upload.ts";
import { write } from "../stdio/output.ts";

export const load: Command = {
  use: "[OPTIONS]",
  short: "Load an image from a tar archive or STDIN",
  aliases: ["docker image load", "docker load"],
  flags: [
    { name: "input", short: "i", kind: "string", usage: "Read from tar archive file, instead of STDIN" },
    {
      name: "platform",
      kind: "string",
      usage: 'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
    { name: "quiet", short: "q", kind: "bool", usage: "Suppress the load output" },
  ],
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const input = flags.string("input");
    if (input === "" && isatty(0)) throw new Error("requested load from stdin, but stdin is empty");
    const quiet = flags.bool("quiet") || !isatty(1);
    const platform = platformQuery(flags.string("platform"));
    const response = await upload(cli.client, "POST", "/images/load", fileChunks(input || "-"), {
      query: { quiet, platform },
    });
    const body = response.body ?? new Blob([]).stream();
    if (response.headers.get("content-type")?.startsWith("application/json")) {
      await showProgress(jsonLines<ProgressLine>(body), {
        terminal: isatty(1),
        fd: 1,
        print: (text) => cli.out(text),
      });
    } else for await (const chunk of body) await write(1, chunk);
    return 0;
  },
};
