// Archives that a build is handed: the context itself, and local files that ADD unpacks. gzip and zstd are undone here; xz and
// bzip2 by the system's own programs, as dockerd does for xz.
import type { Fd } from "../../../../ffi/fd.ts";
import { decompress } from "../../../store/tar/decompress.ts";
import { ArchiveError } from "../../../store/tar/entry.ts";
import { BLOCK, parseHeader } from "../../../store/tar/header.ts";
import { contentOf, reopened } from "./tree.ts";

const EXTERNAL: readonly { program: string; magic: readonly number[] }[] = [
  { program: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { program: "bzip2", magic: [0x42, 0x5a, 0x68] },
];

async function* piped(program: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  try {
    child = Bun.spawn([program, "-d", "-c", "-q"], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  } catch (error) {
    throw new ArchiveError(
      `this archive needs the program ${program}, which cannot be run: ${(error as Error).message}`,
    );
  }
  const feeding = (async () => {
    for await (const chunk of source) {
      child.stdin.write(chunk);
      await child.stdin.flush();
    }
    await child.stdin.end();
  })();
  feeding.catch(() => {});
  try {
    for await (const chunk of child.stdout) yield chunk;
    const said = (await new Response(child.stderr).text()).trim();
    if ((await child.exited) !== 0) throw new ArchiveError(`${program}: ${said || "the archive is damaged"}`);
    await feeding;
  } finally {
    child.kill();
    await child.exited;
  }
}

/** The tar inside, whichever way it was compressed. Throws ArchiveError when the compression is damaged. */
export async function* uncompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let start: Uint8Array = new Uint8Array(0);
  while (start.length < 6) {
    const { value, done } = await iterator.next();
    if (done) break;
    start = start.length === 0 ? value : Buffer.concat([start, value]);
  }
  const whole = (async function* () {
    try {
      if (start.length > 0) yield start;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  })();
  const external = EXTERNAL.find(({ magic }) => magic.every((byte, i) => start[i] === byte));
  yield* external ? piped(external.program, whole) : decompress(whole);
}

async function* chunksOf(file: Fd): AsyncGenerator<Uint8Array> {
  using held = file;
  for (const chunk of contentOf(held)) yield chunk.slice();
}

/** Whether bytes begin like a tar archive with at least one entry. */
function beginsAsTar(start: Uint8Array): boolean {
  if (start.length < BLOCK) return false;
  try {
    const block = start.subarray(0, BLOCK);
    if (block.every((byte) => byte === 0)) return false;
    parseHeader(block);
    return true;
  } catch {
    return false;
  }
}

/** A file's content as a tar stream if it is an archive of one; undefined when it is not. */
export async function openArchive(file: Fd): Promise<AsyncIterable<Uint8Array> | undefined> {
  const stream = uncompressed(chunksOf(reopened(file)));
  let start: Uint8Array = new Uint8Array(0);
  try {
    while (start.length < BLOCK) {
      const { value, done } = await stream.next();
      if (done) break;
      start = Buffer.concat([start, value]);
    }
  } catch {
    // Not what its first bytes promise: an ordinary file then.
    return undefined;
  }
  if (!beginsAsTar(start)) {
    await stream.return(undefined);
    return undefined;
  }
  return (async function* () {
    yield start;
    yield* stream;
  })();
}
