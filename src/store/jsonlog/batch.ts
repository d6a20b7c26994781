// Lines of a json-file log as positions in the bytes that one read of the file gave. An object and two strings a line would cost
// several times what reading it does, so the texts are unescaped where they stand, and nothing is copied until they are wanted.
import type { LogStream } from "./writer.ts";

/** One line for itself. */
export interface LogLine {
  stream: LogStream;
  /** As written: RFC3339Nano. */
  time: string;
  /** The bytes, with their newline where the line had one. */
  line: Uint8Array;
}

/** Asked of each line before it is taken. */
export type LogFilter = (stream: LogStream, time: () => string) => "take" | "skip" | "end";

const NEWLINE = 10;
const QUOTE = 34;
const BACKSLASH = 92;
const LETTER_N = 110;
/** Longer than any RFC 3339 time. */
const LONGEST_TIME = 40;
/** Bytes before each text that were the line's `{"log":"` and are free. */
export const ROOM = 8;

const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const START = encoder.encode('{"log":"');
const BETWEEN: Readonly<Record<LogStream, Uint8Array>> = {
  stdout: encoder.encode('","stream":"stdout","time":'),
  stderr: encoder.encode('","stream":"stderr","time":'),
};

function matches(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}

/** One line of the file by the book; undefined for what is none (cut short by a crash, or foreign). */
function parse(text: string): { log: string; stream: LogStream; time: string } | undefined {
  try {
    const entry = JSON.parse(text) as { log?: unknown; stream?: unknown; time?: unknown };
    if (typeof entry?.log !== "string" || typeof entry.time !== "string") return undefined;
    return { log: entry.log, stream: entry.stream === "stderr" ? "stderr" : "stdout", time: entry.time };
  } catch {
    return undefined;
  }
}

export class LogBatch {
  /** A line past the filter's end was met: nothing after this batch is wanted. */
  ended = false;
  /** Where each text begins and ends in `#bytes`, and where its time does. */
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #timeFrom: number[] = [];
  readonly #timeTo: number[] = [];
  readonly #stderr: boolean[] = [];
  /** What has no place in `#bytes`: texts that grew by decoding, times of lines that were parsed by the book. */
  readonly #texts = new Map<number, Uint8Array>();
  readonly #times = new Map<number, string>();
  readonly #bytes: Uint8Array;

  /** Takes the lines of `bytes` (whole lines, the last newline included), which are this object's from now on. */
  constructor(bytes: Uint8Array, filter: LogFilter) {
    this.#bytes = bytes;
    for (let at = 0; at < bytes.length && !this.ended; ) {
      let end = bytes.indexOf(NEWLINE, at);
      if (end < 0) end = bytes.length;
      if (!this.#quick(at, end, filter)) this.#slow(at, end, filter);
      at = end + 1;
    }
  }

  get count(): number {
    return this.#from.length;
  }

  stream(i: number): LogStream {
    return this.#stderr[i] ? "stderr" : "stdout";
  }

  time(i: number): string {
    return this.#times.get(i) ?? this.#latin1(this.#timeFrom[i]!, this.#timeTo[i]!);
  }

  text(i: number): Uint8Array {
    return this.#texts.get(i) ?? this.#bytes.subarray(this.#from[i], this.#to[i]);
  }

  *lines(): Generator<LogLine> {
    for (let i = 0; i < this.count; i++) {
      yield { stream: this.stream(i), time: this.time(i), line: this.text(i).slice() };
    }
  }

  /**
   * All texts one behind another, moved together in the bytes that they came in: the batch is used up by it. With `head` each
   * has ROOM bytes before it, which that fills.
   */
  pack(head?: (into: Uint8Array, at: number, stream: LogStream, length: number) => void): Uint8Array {
    const bytes = this.#bytes;
    const room = head ? ROOM : 0;
    if (this.#texts.size > 0) return this.#packApart(room, head);
    let out = 0;
    for (let i = 0; i < this.count; i++) {
      const from = this.#from[i]!;
      const to = this.#to[i]!;
      // Never over what is still to come: a text is at least ROOM bytes behind the one before it.
      head?.(bytes, out, this.stream(i), to - from);
      bytes.copyWithin(out + room, from, to);
      out += room + to - from;
    }
    return bytes.subarray(0, out);
  }

  #packApart(room: number, head?: Parameters<LogBatch["pack"]>[0]): Uint8Array {
    let size = 0;
    for (let i = 0; i < this.count; i++) size += room + this.text(i).length;
    const whole = new Uint8Array(size);
    let out = 0;
    for (let i = 0; i < this.count; i++) {
      const text = this.text(i);
      head?.(whole, out, this.stream(i), text.length);
      whole.set(text, out + room);
      out += room + text.length;
    }
    return whole;
  }

  #latin1(from: number, to: number): string {
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + from, to - from).toString("latin1");
  }

  /** A line as this project and docker write it, without escapes but for its newline. False when it is not such a one. */
  #quick(start: number, end: number, filter: LogFilter): boolean {
    const bytes = this.#bytes;
    if (bytes[end - 1] !== 125 || bytes[end - 2] !== QUOTE || !matches(bytes, start, START)) return false;
    const timeTo = end - 2;
    let timeFrom = timeTo;
    while (timeTo - timeFrom < LONGEST_TIME && bytes[timeFrom - 1] !== QUOTE) timeFrom--;
    const textEnd = timeFrom - 1 - BETWEEN.stdout.length;
    const from = start + START.length;
    if (textEnd < from) return false;
    const stderr = matches(bytes, textEnd, BETWEEN.stderr);
    if (!stderr && !matches(bytes, textEnd, BETWEEN.stdout)) return false;
    // A quote inside is a line that a crash cut short with another one behind it.
    if (bytes.indexOf(QUOTE, from) !== textEnd) return false;
    const slash = bytes.indexOf(BACKSLASH, from);
    let to = textEnd;
    if (slash >= 0 && slash < textEnd) {
      if (slash !== textEnd - 2 || bytes[textEnd - 1] !== LETTER_N) return false;
      bytes[slash] = NEWLINE;
      to = slash + 1;
    }
    const verdict = filter(stderr ? "stderr" : "stdout", () => this.#latin1(timeFrom, timeTo));
    if (verdict === "end") this.ended = true;
    else if (verdict === "take") this.#add(from, to, timeFrom, timeTo, stderr);
    return true;
  }

  #slow(start: number, end: number, filter: LogFilter): void {
    const entry = parse(utf8.decode(this.#bytes.subarray(start, end)));
    if (!entry) return;
    const verdict = filter(entry.stream, () => entry.time);
    if (verdict === "end") this.ended = true;
    if (verdict !== "take") return;
    const from = Math.min(start + ROOM, end);
    const { read, written } = encoder.encodeInto(entry.log, this.#bytes.subarray(from, end));
    this.#times.set(this.count, entry.time);
    if (read < entry.log.length) this.#texts.set(this.count, encoder.encode(entry.log));
    this.#add(from, from + written, 0, 0, entry.stream === "stderr");
  }

  #add(from: number, to: number, timeFrom: number, timeTo: number, stderr: boolean): void {
    this.#from.push(from);
    this.#to.push(to);
    this.#timeFrom.push(timeFrom);
    this.#timeTo.push(timeTo);
    this.#stderr.push(stderr);
  }
}
