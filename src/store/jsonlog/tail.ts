// Where the last N lines of a log begin, found from its end: a 10 GB log costs no more than its last page.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const BLOCK = 64 * 1024;
const NEWLINE = 10;

/** A position in one of the rotated files: `file` 0 is the current one, n is `path.n`. */
export interface Position {
  file: number;
  offset: number;
}

export const rotatedName = (path: string, file: number) => (file === 0 ? path : `${path}.${file}`);

/** How many files there are: path, path.1, … without a gap. */
export function fileCount(path: string): number {
  let count = 0;
  for (;;) {
    const fd = tryOpen(rotatedName(path, count));
    if (fd === undefined) return count;
    closeSync(fd);
    count++;
  }
}

/** Opens for reading; undefined when it is not there. */
export function tryOpen(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The offset of the last `lines` lines of an open file, and how many it has of them. A last line without end counts. */
function lastLines(fd: number, lines: number): { offset: number; found: number } {
  const block = new Uint8Array(BLOCK);
  const size = fstatSync(fd).size;
  if (size === 0) return { offset: 0, found: 0 };
  let found = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - BLOCK);
    const got = readSync(fd, block, 0, end - start, start);
    for (let at = got - 1; at >= 0; at--) {
      // The newline that ends the file begins no line.
      if (block[at] !== NEWLINE || start + at === size - 1) continue;
      if (++found === lines) return { offset: start + at + 1, found };
    }
    end = start;
  }
  return { offset: 0, found: found + 1 };
}

/** Where reading must begin to get the last `lines` lines of all files together. */
export function tailPosition(path: string, lines: number): Position {
  let wanted = lines;
  const count = fileCount(path);
  for (let file = 0; file < count; file++) {
    const fd = tryOpen(rotatedName(path, file));
    if (fd === undefined) continue;
    try {
      if (wanted === 0) return { file, offset: fstatSync(fd).size };
      const { offset, found } = lastLines(fd, wanted);
      wanted -= found;
      if (wanted <= 0 || file === count - 1) return { file, offset };
    } finally {
      closeSync(fd);
    }
  }
  return { file: Math.max(0, count - 1), offset: 0 };
}
