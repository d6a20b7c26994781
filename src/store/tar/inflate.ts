// gzip and zstd unpacked piece by piece into one buffer that is used again and again.
//
// zlib's streams make a new buffer for each piece, which the collector frees when it pleases: a pull held 100 MB of them. So this
// calls what lies below the streams (node:zlib's own handles, whose shape Node has kept since version 12) with memory of its own.
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { ArchiveError } from "./entry.ts";

/** Half a millisecond's work: whoever else is on this thread waits no longer. */
const OUTPUT = 256 << 10;

/** The binding behind a zlib stream. After a write, the stream's `_writeState` holds what is left of output and input. */
interface Handle {
  onerror: (message: string, errno: number, code: string) => void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputLength: number,
    output: Uint8Array,
    outputAt: number,
    outputLength: number,
  ): void;
}

interface Stream {
  _handle: Handle;
  _writeState: Uint32Array;
  destroy(): void;
}

const NOTHING = new Uint8Array(1);

/** What `source` holds, unpacked; a chunk is valid until the next one is asked for. Throws ArchiveError for damage. */
export async function* inflate(
  source: AsyncIterable<Uint8Array>,
  kind: "gzip" | "zstd",
): AsyncGenerator<Uint8Array> {
  const stream = (kind === "gzip" ? createGunzip() : createZstdDecompress()) as unknown as Stream;
  const { _handle: handle, _writeState: left } = stream;
  const [proceed, finish] =
    kind === "gzip"
      ? [constants.Z_NO_FLUSH, constants.Z_FINISH]
      : [constants.ZSTD_e_continue, constants.ZSTD_e_end];
  let damage: string | undefined;
  handle.onerror = (message) => {
    damage = message;
  };
  const output = new Uint8Array(OUTPUT);

  /** Everything that a piece of input gives. */
  function* pieces(flush: number, input: Uint8Array, length: number): Generator<Uint8Array> {
    for (let at = 0; ; ) {
      handle.writeSync(flush, input, at, length - at, output, 0, OUTPUT);
      if (damage !== undefined) throw new ArchiveError(`${kind} archive is damaged: ${damage}`);
      const room = left[0]!;
      const taken = length - at - left[1]!;
      at += taken;
      if (room < OUTPUT) yield output.subarray(0, OUTPUT - room);
      // A full buffer may not have been all. What follows the archive's end is not taken, and of no interest.
      else if (taken === 0) return;
      if (room > 0 && at === length) return;
    }
  }

  try {
    for await (const input of source) yield* pieces(proceed, input, input.length);
    yield* pieces(finish, NOTHING, 0);
  } finally {
    stream.destroy();
  }
}
