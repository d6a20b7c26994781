// A table of an unpacked tree, made when it was unpacked: what is to be there. JSON lines: what the tree is, one file a line, and
// their count, so that a table that was cut off is seen as that.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { O_DIRECTORY, O_NOFOLLOW } from "../../../ffi/arch/index.ts";
import { AT_FDCWD, O_RDONLY, S_IFREG } from "../../../ffi/constants/fcntl.ts";
import { type ByteName, openName, toByteName } from "../../../ffi/tree.ts";
import { ContentHash, hashOf } from "./hash.ts";
import { Describer, type Description, type Visit, walk } from "./walk.ts";

export interface Row extends Description {
  path: ByteName;
  /** Of a file's bytes: see hash.ts. */
  hash?: string;
  /** A directory made in passing: its owner, mode and times are those of the layers below. */
  implied?: true;
}

export interface Table<Header> {
  header: Header;
  rows: Map<ByteName, Row>;
}

/** A table that cannot be read, or not to its end. */
export class TableError extends Error {
  override readonly name = "TableError";
}

const VERSION = 1;
const PIECE = 64 << 10;

/** Reads files' hashes through one buffer. */
export class Hasher {
  readonly #hash = new ContentHash();
  readonly #buffer = new Uint8Array(PIECE);

  of({ dir, name }: Pick<Visit, "dir" | "name">): string {
    using file = openName(dir, name, O_RDONLY | O_NOFOLLOW);
    return hashOf(file.number, this.#hash, this.#buffer);
  }
}

/**
 * Writes the table of the tree at `root`. `hashes`: of files by inode, as far as they are known; the others are read.
 * `attributes`: whether there are any worth asking for.
 */
export function writeTable(
  file: string,
  root: string,
  header: object,
  known: { hashes: ReadonlyMap<number, string>; implied: readonly ByteName[]; attributes: boolean },
): void {
  const implied = new Set(known.implied);
  const describer = new Describer(() => known.attributes);
  const hasher = new Hasher();
  using top = openName(AT_FDCWD, toByteName(root), O_RDONLY | O_DIRECTORY);
  const fd = openSync(file, "w", 0o600);
  try {
    let piece = `${JSON.stringify({ table: VERSION, ...header })}\n`;
    let count = 0;
    const put = () => {
      const bytes = Buffer.from(piece, "utf8");
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      piece = "";
    };
    for (const visit of walk(top)) {
      const row: Row = { path: visit.path, ...describer.describe(visit) };
      if (visit.stat.type === S_IFREG) row.hash = known.hashes.get(visit.stat.ino) ?? hasher.of(visit);
      if (implied.has(visit.path)) row.implied = true;
      piece += `${JSON.stringify(row)}\n`;
      count++;
      if (piece.length >= PIECE) put();
    }
    piece += `${JSON.stringify({ end: count })}\n`;
    put();
  } finally {
    closeSync(fd);
  }
}

/** Reads a table; undefined when there is none. Throws TableError when it is damaged. */
export function readTable<Header>(file: string): Table<Header> | undefined {
  let lines: string[];
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const parsed = lines.slice(0, -1).map((line) => JSON.parse(line));
    const header = parsed[0];
    const rows = new Map<ByteName, Row>();
    for (const row of parsed.slice(1, -1) as Row[]) rows.set(row.path, row);
    if (header?.table !== VERSION || parsed.at(-1)?.end !== rows.size) throw new Error("it is cut off");
    return { header, rows };
  } catch (error) {
    throw new TableError(`${file} is damaged: ${(error as Error).message}`, { cause: error });
  }
}
