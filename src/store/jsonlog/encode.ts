// Output bytes → lines of Docker's json-file format: {"log":"…\n","stream":"stdout","time":"…"}.
// A whole chunk is escaped in one go: per-line work in JavaScript would cost ten times as much.

/** A line longer than this is written in pieces, as Docker does. */
export const MAX_LINE = 16 * 1024;

const NEWLINE = 10;
const encoder = new TextEncoder();

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

/** UTF-8, what is none as U+FFFD. A Buffer is decoded three times as fast as by TextDecoder. */
const decoded = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");

/** Where to cut a piece of at most MAX_LINE bytes out of a longer line: not inside a UTF-8 character. */
function cut(bytes: Uint8Array, from: number): number {
  let at = from + MAX_LINE;
  for (let back = 0; back < 3 && (bytes[at]! & 0xc0) === 0x80; back++) at--;
  return (bytes[at]! & 0xc0) === 0x80 ? from + MAX_LINE : at;
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

  /** The entries that `chunk` completes, ready to be appended to the file; "" when it completes none. */
  push(chunk: Uint8Array, time: string): string {
    let bytes = chunk;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
    }
    let out = "";
    let at = 0;
    while (at < bytes.length) {
      const end = this.#linesEnd(bytes, at);
      if (end > at) {
        out += this.#lines(bytes.subarray(at, end), time);
        at = end;
      } else if (bytes.length - at > MAX_LINE) {
        const to = cut(bytes, at);
        out += this.#entry(bytes.subarray(at, to), time);
        at = to;
      } else break;
    }
    this.#rest = bytes.slice(at);
    return out;
  }

  /** The unfinished last line as an entry without a newline; "" when there is none. */
  flush(time: string): string {
    if (this.#rest.length === 0) return "";
    const out = this.#entry(this.#rest, time);
    this.#rest = new Uint8Array();
    return out;
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

  /** Whole lines, each ended by a newline. One replacement makes the entries, without a call for each line. */
  #lines(bytes: Uint8Array, time: string): string {
    const text = decoded(bytes.subarray(0, -1));
    const tail = `\\n${this.#between}${time}"}\n`;
    const next = `${tail}{"log":"`;
    // In escaped text without a backslash of its own, `\n` can only be a newline. Otherwise: quotes inside of strings are
    // escaped, so `","` can only be what separates two of them.
    const entries = text.includes("\\")
      ? safe(JSON.stringify(text.split("\n")).slice(2, -2)).replaceAll('","', next)
      : safe(JSON.stringify(text).slice(1, -1)).replaceAll("\\n", next);
    return `{"log":"${entries}${tail}`;
  }

  #entry(bytes: Uint8Array, time: string): string {
    return `{"log":"${safe(JSON.stringify(decoded(bytes)).slice(1, -1))}${this.#between}${time}"}\n`;
  }
}

export { encoder };
