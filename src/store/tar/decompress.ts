// A compressed archive as the tar inside it: gzip, zstd or neither, told by their first bytes as containerd does — media
// types in the wild are often wrong about it.
import { inflate } from "./inflate.ts";

export type Kind = "gzip" | "zstd" | "tar";

function kindOf(start: Uint8Array): Kind {
  if (start[0] === 0x1f && start[1] === 0x8b && start[2] === 0x08) return "gzip";
  const zstd = start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd && start[0] === 0x28;
  // A skippable frame may come first. RFC 8878 section 3.1.2
  const skippable =
    (start[0]! & 0xf0) === 0x50 && start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18;
  return zstd || skippable ? "zstd" : "tar";
}

/**
 * The uncompressed bytes; a chunk is valid until the next one is asked for. The source is read to its end.
 * Throws ArchiveError when the compression is damaged; errors of the source pass unchanged.
 */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    let start: Uint8Array = new Uint8Array(0);
    while (start.length < 4) {
      const { value, done } = await iterator.next();
      if (done) break;
      start = start.length === 0 ? value : Buffer.concat([start, value]);
    }
    const whole = resumed(start, iterator);
    const kind = kindOf(start);
    if (kind === "tar") yield* whole;
    else yield* inflate(whole, kind);
  } finally {
    await iterator.return?.();
  }
}

async function* resumed(start: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (start.length > 0) yield start;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
