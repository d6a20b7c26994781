// Output bytes → lines of Docker's json-file format: {"log":"…\n","stream":"stdout","time":"…"}.
// A whole chunk is looked at, and escaped where that must be, in one go: per-line work in JavaScript would cost ten times as much.
import type { Entries } from "./entries.ts";

/** A line longer than this is written in pieces, as Docker does. */
export const MAX_LINE = 16 * 1024;

const NEWLINE = 10;
/** Chunks below this are escaped without a look at what is in them: the look costs a call for each character. */
const WORTH_A_LOOK = 2048;

/** RFC3339Nano as Go prints it: trailing zeros of the fraction are left out. */
export function rfc3339Nano(time: { seconds: number; nanos: number }): string {
  const second = new Date(time.seconds * 1000).toISOString().slice(0, 19);
  if (time.nanos === 0) return `${second}Z`;
  return `${second}.${String(time.nanos).padStart(9, "0").replace(/0+$/, "")}Z`;
}

// Docker's encoder escapes what HTML could misread and U+2028/9, which JSON.stringify leaves as they are. A pass a character
// costs a search each; one regular expression with a callback costs a call each time one is found.
const safe = (json: string) =>
  json
    .replaceAll("<", "\\u003c")
    .replaceAll(">", "\\u003e")
    .replaceAll("&", "\\u0026")
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");

/** What JSON or docker's encoder escapes, but for the newline; the usual ones first. */
const ESCAPED = [...'"\t\\\r\x1b<>&'].map((character) => character.charCodeAt(0));
for (let code = 0; code < 32; code++) if (code !== NEWLINE && !ESCAPED.includes(code)) ESCAPED.push(code);

let utf8: ((bytes: Uint8Array) => boolean) | undefined;
// Loaded at the first large chunk: most shims never see one, and their start shall not wait for it.
function isUtf8(bytes: Uint8Array): boolean {
  utf8 ??= process.getBuiltinModule("node:buffer").isUtf8;
  return utf8(bytes);
}

/** First byte of U+2028 and U+2029 in UTF-8, and of four thousand other characters. */
const SEPARATORS_START = 0xe2;

/**
 * Whether the entries of `bytes` have them as they are, newlines aside: UTF-8 in which nothing is escaped. A search for one
 * byte goes through tens of gigabytes a second, so all of them together take a fraction of the time of JSON.stringify.
 */
function isPlain(bytes: Uint8Array): boolean {
  if (!isUtf8(bytes) || bytes.includes(SEPARATORS_START)) return false;
  for (const code of ESCAPED) if (bytes.includes(code)) return false;
  return true;
}

/** UTF-8, what is none as U+FFFD. A Buffer is decoded three times as fast as by TextDecoder. */
const decoded = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");

/** Lines for between quotes, `next` in place of each newline. One replacement makes the entries, without a call for each line. */
function escapedLines(text: string, next: string): string {
  // In escaped text without a backslash of its own, `\n` can only be a newline. Otherwise: quotes inside of strings are
  // escaped, so `","` can only be what separates two of them.
  if (text.includes("\\")) return safe(JSON.stringify(text.split("\n")).slice(2, -2)).replaceAll('","', next);
  return safe(JSON.stringify(text).slice(1, -1)).replaceAll("\\n", next);
}

/** Where to cut a piece of at most MAX_LINE bytes out of a longer line: not inside a UTF-8 character. */
function cut(bytes: Uint8Array, from: number): number {
  let at = from + MAX_LINE;
  for (let back = 0; back < 3 && (bytes[at]! & 0xc0) === 0x80; back++) at--;
  return (bytes[at]! & 0xc0) === 0x80 ? from + MAX_LINE : at;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** One stream's bytes into entries. Holds the unfinished last line (at most MAX_LINE bytes). */
export class LineEncoder {
  #rest: Uint8Array;
  #between: string;

  constructor(stream: string, rest: Uint8Array = new Uint8Array()) {
    this.#rest = rest;
    this.#between = `","stream":"${stream}","time":"`;
  }

  /** Bytes held back because their line has not ended. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /** Adds the entries that `chunk` completes to `into`. */
  push(chunk: Uint8Array, time: string, into: Entries): void {
    const bytes = this.#withRest(chunk, time, into);
    let at = 0;
    while (at < bytes.length) {
      const end = this.#linesEnd(bytes, at);
      if (end > at) {
        this.#lines(bytes.subarray(at, end), time, into);
        at = end;
      } else if (bytes.length - at > MAX_LINE) {
        const to = cut(bytes, at);
        this.#entry(bytes.subarray(at, to), time, into);
        at = to;
      } else break;
    }
    this.#rest = bytes.slice(at);
  }

  /** What is to be taken apart now. A line that `chunk` ends is written by itself: nothing else of it need be copied. */
  #withRest(chunk: Uint8Array, time: string, into: Entries): Uint8Array {
    const rest = this.#rest;
    if (rest.length === 0) return chunk;
    const end = chunk.indexOf(NEWLINE) + 1;
    if (end === 0 || rest.length + end > MAX_LINE) return joined(rest, chunk);
    this.#lines(joined(rest, chunk.subarray(0, end)), time, into);
    return chunk.subarray(end);
  }

  /** Adds the unfinished last line as an entry without a newline, if there is one. */
  flush(time: string, into: Entries): void {
    if (this.#rest.length === 0) return;
    this.#entry(this.#rest, time, into);
    this.#rest = new Uint8Array();
  }

  /** The end of the longest run of whole lines from `from`, none of them over MAX_LINE (their newline not counted). */
  #linesEnd(bytes: Uint8Array, from: number): number {
    let end = from;
    while (end < bytes.length) {
      const last = bytes.lastIndexOf(NEWLINE, end + MAX_LINE);
      if (last < end) break;
      end = last + 1;
    }
    return end;
  }

  /** Whole lines, each ended by a newline. */
  #lines(lines: Uint8Array, time: string, into: Entries): void {
    const bytes = lines.subarray(0, -1);
    const tail = `\\n${this.#between}${time}"}\n`;
    const next = `${tail}{"log":"`;
    into.add('{"log":"');
    if (bytes.length >= WORTH_A_LOOK && isPlain(bytes)) into.addLines(bytes, next);
    else into.add(escapedLines(decoded(bytes), next));
    into.add(tail);
  }

  #entry(bytes: Uint8Array, time: string, into: Entries): void {
    into.add(`{"log":"${safe(JSON.stringify(decoded(bytes)).slice(1, -1))}${this.#between}${time}"}\n`);
  }
}
