import { isatty } from "../../../../ffi/terminal.ts";
import type { ProgressLine } from "../../../spec/engine/image.ts";
import { parseReference } from "../../../wire/distribution/reference.ts";
import { jsonLines } from "../../../wire/engine/lines.ts";
import { any, type Command } from "../command.ts";
import { showProgress } from "../session/progress.ts";
import { fileChunks, upload } from "../session/upload.ts";

/** --change: a Dockerfile instruction for the image that `import` and `commit` make. */
export const changeFlag = {
  name: "change",
  short: "c",
  kind: "list",
  usage: "Apply Dockerfile instruction to the created image",
} as const;

export const importImage: Command = {
  use: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
  short: "Import the contents from a tarball to create a filesystem image",
  aliases: ["docker image import", "docker import"],
  flags: [
    changeFlag,
    { name: "message", short: "m", kind: "string", usage: "Set commit message for imported image" },
    {
      name: "platform",
      kind: "string",
      default: process.env["DOCKER_DEFAULT_PLATFORM"] ?? "",
      usage: "Set platform if server is multi-platform capable",
    },
  ],
  args: { min: 1, max: any },
  async run({ cli, flags, args }) {
    const [source = "", repository = ""] = args;
    const remote = /^https?:\/\//.test(source);
    const body = remote ? undefined : fileChunks(source);
    if (repository !== "") parseReference(repository);
    const query = {
      changes: flags.list("change"),
      fromSrc: remote ? source : "-",
      message: flags.string("message") || undefined,
      platform: flags.string("platform").toLowerCase() || undefined,
      repo: repository || undefined,
    };
    const response = body
      ? await upload(cli.client, "POST", "/images/create", body, {
          query,
          headers: { "Content-Type": "text/plain" },
        })
      : await cli.client.request("POST", "/images/create", { query });
    await showProgress(jsonLines<ProgressLine>(response.body ?? new Blob([]).stream()), {
      terminal: isatty(1),
      fd: 1,
      print: (text) => cli.out(text),
    });
    return 0;
  },
};
