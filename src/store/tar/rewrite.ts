// A tar stream with its entries' headers changed on the way: renamed, given to others, or left out.
import { encodeHeader, paddingOf } from "./encode.ts";
import type { SparsePiece, TarEntry } from "./entry.ts";
import { TarReader } from "./reader.ts";

const ZEROS = new Uint8Array(1 << 16);

function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= ZEROS.length)
    yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}

/**
 * The archive with each entry as `change` gives it back; undefined leaves the entry out. Without the blocks that end an
 * archive, so that several can follow one another. Sparse files come out whole. Throws ArchiveError for a bad archive.
 */
export async function* rewriteTar(
  source: AsyncIterable<Uint8Array>,
  change: (entry: TarEntry) => TarEntry | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = new TarReader(source);
  try {
    for (let entry = await reader.next(); entry; entry = await reader.next()) {
      const { size, pieces } = entry;
      const changed = change(entry);
      if (!changed) continue;
      yield encodeHeader({ ...changed, size, pieces: undefined });
      if (pieces) yield* whole(reader, size, pieces);
      // The reader's chunk is good until its next call only.
      else for (let chunk = await reader.read(); chunk; chunk = await reader.read()) yield chunk.slice();
      yield* zeros(paddingOf(size));
    }
    await reader.drain();
  } finally {
    await reader.cancel();
  }
}

async function* whole(
  reader: TarReader,
  size: number,
  pieces: readonly SparsePiece[],
): AsyncGenerator<Uint8Array> {
  let at = 0;
  let index = 0;
  let done = 0;
  for (let chunk = await reader.read(); chunk; chunk = await reader.read()) {
    for (let from = 0; from < chunk.length; ) {
      const piece = pieces[index]!;
      yield* zeros(piece.offset + done - at);
      const part = chunk.slice(from, from + piece.size - done);
      yield part;
      from += part.length;
      done += part.length;
      at = piece.offset + done;
      if (done === piece.size) {
        index++;
        done = 0;
      }
    }
  }
  yield* zeros(size - at);
}
