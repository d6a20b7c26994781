// Sparse files: GNU tar's old header extension and its three pax forms. GNU tar manual, "Storing Sparse Files".
import { ArchiveError, type SparsePiece } from "./entry.ts";
import { BLOCK, number } from "./header.ts";
import type { PaxRecords } from "./pax.ts";

/** No real file comes near; a hostile one shall not fill the memory. */
const LIMIT = 1 << 20;

const invalid = () => new ArchiveError("archive/tar: invalid tar header: malformed sparse map");

/** Checks that the pieces follow one another inside `size`. */
export function checkPieces(pieces: SparsePiece[], size: number): SparsePiece[] {
  let end = 0;
  for (const piece of pieces) {
    if (piece.offset < end || piece.size < 0) throw invalid();
    end = piece.offset + piece.size;
    if (!Number.isSafeInteger(end) || end > size) throw invalid();
  }
  return pieces;
}

function pairs(numbers: number[]): SparsePiece[] {
  if (numbers.length % 2 !== 0) throw invalid();
  const pieces: SparsePiece[] = [];
  for (let i = 0; i < numbers.length; i += 2) pieces.push({ offset: numbers[i]!, size: numbers[i + 1]! });
  return pieces;
}

/** The map of pax forms 0.0 and 0.1. */
export function mapOfRecords(records: PaxRecords): SparsePiece[] {
  const list = records.get("GNU.sparse.map") ?? "";
  if (list === "") return [];
  if (!/^[0-9]+(,[0-9]+)*$/.test(list)) throw invalid();
  return pairs(list.split(",").map(Number));
}

/** The old GNU form: up to four pieces in the header, 21 in each extension block. `more` reads the next block. */
export async function mapOfHeader(
  block: Uint8Array,
  more: () => Promise<Uint8Array>,
): Promise<{ pieces: SparsePiece[]; size: number }> {
  const pieces: SparsePiece[] = [];
  const size = number(block, 483, 12);
  const collect = (from: Uint8Array, offset: number, count: number) => {
    for (let i = 0; i < count; i++) {
      const at = offset + i * 24;
      if (from[at] === 0) return;
      pieces.push({ offset: number(from, at, 12), size: number(from, at + 12, 12) });
    }
  };
  collect(block, 386, 4);
  for (let extended = block[482] !== 0; extended; ) {
    const extension = await more();
    collect(extension, 0, 21);
    if (pieces.length > LIMIT) throw invalid();
    extended = extension[504] !== 0;
  }
  return { pieces, size };
}

/**
 * Pax form 1.0: the map stands in front of the data, decimal numbers a line, padded to whole blocks.
 * Returns the pieces and how many bytes of the data the map took.
 */
export async function mapOfData(
  more: () => Promise<Uint8Array>,
): Promise<{ pieces: SparsePiece[]; bytes: number }> {
  let buffered = "";
  let bytes = 0;
  const line = async (): Promise<number> => {
    let end = buffered.indexOf("\n");
    while (end < 0) {
      if (buffered.length > BLOCK) throw invalid();
      buffered += Buffer.from(await more()).toString("latin1");
      bytes += BLOCK;
      end = buffered.indexOf("\n");
    }
    const digits = buffered.slice(0, end);
    buffered = buffered.slice(end + 1);
    if (!/^[0-9]{1,16}$/.test(digits)) throw invalid();
    return Number(digits);
  };
  const count = await line();
  if (count > LIMIT) throw invalid();
  const numbers: number[] = [];
  for (let i = 0; i < count * 2; i++) numbers.push(await line());
  return { pieces: pairs(numbers), bytes };
}
