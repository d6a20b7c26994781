// Reading a json-file log: from the start or the last N lines, between two times, following it across rotations.
import { closeSync, existsSync, fstatSync, readSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import { fileCount, rotatedName, tailPosition, tryOpen } from "./tail.ts";
import type { LogStream } from "./writer.ts";

export interface ReadLogOptions {
  /** Only the last so many lines (counted before the other conditions); all by default. */
  tail?: number;
  /** RFC 3339 with up to nine digits of fraction, UTC; inclusive. */
  since?: string;
  until?: string;
  follow?: boolean;
  /** Both by default. */
  stdout?: boolean;
  stderr?: boolean;
  /** Ends the reading (following does not end by itself). */
  signal?: AbortSignal;
  /** Nothing more will be written: following ends at the end of the log. */
  ended?: AbortSignal;
}

export interface LogLine {
  stream: LogStream;
  /** As written: RFC3339Nano. */
  time: string;
  /** The bytes, with their newline where the line had one. */
  line: Uint8Array;
}

const CHUNK = 256 * 1024;
/** A file change is told by inotify; this is for what it cannot tell (rotation, a lost event). */
const POLL = 500;
const NEWLINE = 10;
const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Comparable form of an RFC 3339 UTC time: the fraction padded to nine digits. */
function comparable(time: string): string {
  const [, second, fraction = ""] = /^(.{19})(?:\.(\d+))?/.exec(time) ?? [];
  return `${second ?? time}.${fraction.padEnd(9, "0").slice(0, 9)}`;
}

type Filter = (entry: { stream: string; time: string }) => "take" | "skip" | "end";

function filterOf({ stdout = true, stderr = true, since, until }: ReadLogOptions): Filter {
  const from = since === undefined ? undefined : comparable(since);
  const to = until === undefined ? undefined : comparable(until);
  return ({ stream, time }) => {
    if (from !== undefined && comparable(time) < from) return "skip";
    if (to !== undefined && comparable(time) > to) return "end";
    return (stream === "stdout" ? stdout : stderr) ? "take" : "skip";
  };
}

/** One line of the file; undefined for what is none (cut short by a crash, or foreign). */
function parse(text: string): { log: string; stream: string; time: string } | undefined {
  try {
    const entry = JSON.parse(text) as { log?: unknown; stream?: unknown; time?: unknown };
    if (typeof entry?.log !== "string" || typeof entry.time !== "string") return undefined;
    return { log: entry.log, stream: entry.stream === "stderr" ? "stderr" : "stdout", time: entry.time };
  } catch {
    return undefined;
  }
}

/** Those of the texts that are entries wanted; `ended` when one lies past `until`. */
function select(texts: readonly string[], filter: Filter): { batch: LogLine[]; ended: boolean } {
  const batch: LogLine[] = [];
  for (const text of texts) {
    const entry = parse(text);
    if (!entry) continue;
    const verdict = filter(entry);
    if (verdict === "end") return { batch, ended: true };
    if (verdict === "take")
      batch.push({ stream: entry.stream as LogStream, time: entry.time, line: encoder.encode(entry.log) });
  }
  return { batch, ended: false };
}

/** Reads whole lines of one open file, as far as it reaches now; called again, what has been added. */
class FileLines {
  #offset: number;
  #rest: Uint8Array = new Uint8Array();
  #buffer = new Uint8Array(CHUNK);

  constructor(
    readonly fd: number,
    offset: number,
  ) {
    this.#offset = offset;
  }

  /** The next lines' text, or undefined at the (present) end. */
  next(): string[] | undefined {
    const got = readSync(this.fd, this.#buffer, 0, CHUNK, this.#offset);
    if (got === 0) return undefined;
    this.#offset += got;
    let bytes = this.#buffer.subarray(0, got);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      this.#rest = concat(this.#rest, bytes);
      return [];
    }
    const rest = bytes.slice(end);
    bytes = this.#rest.length > 0 ? concat(this.#rest, bytes.subarray(0, end)) : bytes.subarray(0, end);
    this.#rest = rest;
    return utf8.decode(bytes.subarray(0, -1)).split("\n");
  }

  /** The file was cut to less than was read (somebody emptied it): begin again. */
  rewindIfCut(): void {
    if (fstatSync(this.fd).size < this.#offset) {
      this.#offset = 0;
      this.#rest = new Uint8Array();
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Tells when a file may have changed since the last look. */
class Changes {
  #watcher: ReturnType<typeof watch> | undefined;
  #dirty = false;
  #wake: (() => void) | undefined;

  constructor(path: string) {
    const told = () => {
      this.#dirty = true;
      this.#wake?.();
    };
    // A log that is not there yet is waited for in its directory.
    for (const each of [path, dirname(path)]) {
      try {
        this.#watcher = watch(each, told);
        this.#watcher.on("error", () => {});
        return;
      } catch {
        // The poll will do.
      }
    }
  }

  /** Resolves at the next change (at once when there was one since the last call), at the latest after POLL or by `signal`. */
  async next(signal: AbortSignal | undefined): Promise<void> {
    if (!this.#dirty && !signal?.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, POLL);
      const stop = () => resolve();
      signal?.addEventListener("abort", stop, { once: true });
      await promise;
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      this.#wake = undefined;
    }
    this.#dirty = false;
  }

  close(): void {
    this.#watcher?.close();
  }
}

/** After the end of an open file: the file that follows it, where it has been rotated; undefined while it is the current one. */
function successor(path: string, fd: number): number | undefined {
  const { ino, dev } = fstatSync(fd);
  const same = (name: string) => {
    try {
      const found = statSync(name);
      return found.ino === ino && found.dev === dev;
    } catch {
      return false;
    }
  };
  if (same(path) || !existsSync(path)) return undefined;
  for (;;) {
    const count = fileCount(path);
    let file = 1;
    while (file < count && !same(rotatedName(path, file))) file++;
    // Rotated away altogether: the oldest that is left comes after it.
    const next = tryOpen(rotatedName(path, file - 1));
    // Unless it was rotated once more while we looked, that is the one.
    if (file === count || same(rotatedName(path, file))) return next;
    if (next !== undefined) closeSync(next);
  }
}

/**
 * The log's lines in batches: what one read of the file gave. Ends at the end of the log unless `follow`; a log that does
 * not exist (yet) has no lines. Half-written lines are waited for, damaged ones left out.
 */
export async function* readLogBatches(path: string, options: ReadLogOptions = {}): AsyncGenerator<LogLine[]> {
  const { tail, follow = false, signal } = options;
  const filter = filterOf(options);
  const wakers = [signal, options.ended].filter((candidate) => candidate !== undefined);
  const wake = wakers.length < 2 ? wakers[0] : AbortSignal.any(wakers);
  const over = options.until === undefined ? Number.POSITIVE_INFINITY : Date.parse(options.until);
  let lines: FileLines | undefined;
  // Before the first read, so that nothing falls between a read and the watching.
  let changes = follow ? new Changes(path) : undefined;
  const start = () => {
    const { file, offset } =
      tail === undefined || tail < 0
        ? { file: Math.max(0, fileCount(path) - 1), offset: 0 }
        : tailPosition(path, tail);
    const fd = tryOpen(rotatedName(path, file));
    return fd === undefined ? undefined : new FileLines(fd, offset);
  };
  try {
    lines = start();
    while (!signal?.aborted) {
      let next: number | undefined;
      // Asked before the read: what was written until then is in it.
      const complete = options.ended?.aborted === true;
      const texts = lines?.next();
      if (lines && !texts) next = successor(path, lines.fd);
      const { batch, ended } = select(texts ?? [], filter);
      if (batch.length > 0) yield batch;
      if (ended) return;
      if (next !== undefined) {
        // What was written between our read and the rotation; a writer that has rotated writes there no more.
        for (let more = lines?.next(); more; more = lines?.next()) {
          const { batch: late, ended: last } = select(more, filter);
          if (late.length > 0) yield late;
          if (last) {
            closeSync(next);
            return;
          }
        }
        lines?.close();
        if (changes) {
          changes.close();
          changes = new Changes(path);
        }
        lines = new FileLines(next, 0);
        continue;
      }
      if (texts) continue;
      lines?.rewindIfCut();
      if (!changes || complete || Date.now() > over) return;
      await changes.next(wake);
      if (!lines) {
        changes.close();
        changes = new Changes(path);
        lines = start();
      }
    }
  } finally {
    changes?.close();
    lines?.close();
  }
}

/** The log's lines one by one. See `readLogBatches`, which is cheaper for many. */
export async function* readLog(path: string, options: ReadLogOptions = {}): AsyncGenerator<LogLine> {
  for await (const batch of readLogBatches(path, options)) yield* batch;
}
