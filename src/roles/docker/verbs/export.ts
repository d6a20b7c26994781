import { closeSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { isatty } from "../../../../ffi/terminal.ts";
import type { Command } from "../command.ts";
import { write } from "../stdio/output.ts";

/** Writes a stream to stdout, or to a file that appears only when it is whole. */
export async function saveStream(
  body: () => Promise<ReadableStream<Uint8Array>>,
  path: string,
): Promise<void> {
  if (path === "") {
    for await (const chunk of await body()) await write(1, chunk);
    return;
  }
  // A device or a pipe takes the bytes directly; it cannot be replaced by a file.
  let special = false;
  try {
    special = !statSync(path).isFile();
  } catch {
    // Not there yet.
  }
  const stream = await body();
  const target = special ? path : `${path}.tmp-${process.pid}`;
  const fd = openSync(target, "w", 0o600);
  try {
    for await (const chunk of stream) await write(fd, chunk);
    closeSync(fd);
    if (!special) renameSync(target, path);
  } catch (error) {
    if (!special) rmSync(target, { force: true });
    throw error;
  }
}

export const exportContainer: Command = {
  use: "[OPTIONS] CONTAINER",
  short: "Export a container's filesystem as a tar archive",
  aliases: ["docker container export", "docker export"],
  flags: [{ name: "output", short: "o", kind: "string", usage: "Write to a file, instead of STDOUT" }],
  args: { min: 1, max: 1 },
  async run({ cli, flags, args }) {
    const output = flags.string("output");
    if (output === "" && isatty(1)) {
      throw new Error("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    }
    await saveStream(
      () => cli.client.bytes("GET", `/containers/${encodeURIComponent(args[0]!)}/export`),
      output,
    );
    return 0;
  },
};
