// A thread that unpacks layers, one after another: it reads a file that may still be growing, so that downloading, inflating and
// writing go on at the same time, and the daemon's own thread stays free. Started by pool.ts; an entry of its own in the build.
import { readSync } from "node:fs";
import { decompress } from "../../../store/tar/decompress.ts";
import { applyTar } from "../../../store/tar/extract.ts";
import { writeTable } from "../../../store/tree/table.ts";
import { type Order, told, Words } from "./job.ts";

declare const self: { onmessage: (event: { data: Order }) => void; postMessage(answer: unknown): void };

const INPUT = 64 << 10;
const buffer = new Uint8Array(INPUT);

/** The file's bytes as they come; a chunk is valid until the next one is asked for. */
async function* growing(fd: number, words: Words): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let size = words.waitBeyond(at); size !== undefined; size = words.waitBeyond(at)) {
    while (at < size && !words.aborted) {
      const got = readSync(fd, buffer, 0, Math.min(INPUT, size - at), at);
      if (got === 0) throw new Error(`the layer's file ends at ${at}, expected ${size}`);
      at += got;
      words.read = at;
      yield buffer.subarray(0, got);
    }
  }
}

self.onmessage = async ({ data: { fd, directory, opaque, words, table } }) => {
  try {
    const hashes = table && new Map<number, string>();
    const options = {
      ...(opaque === undefined ? {} : { overlay: { opaque } }),
      ...(hashes ? { hashes } : {}),
    };
    const unpacked = await applyTar(decompress(growing(fd, new Words(words))), directory, options);
    if (table && hashes) writeTable(table.file, directory, table.header, { ...unpacked, hashes });
    self.postMessage(unpacked);
  } catch (error) {
    self.postMessage(told(error));
  }
};
