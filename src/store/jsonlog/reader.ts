// Reading a json-file log: from the start or the last N lines, between two times, following it across rotations.
import { closeSync, existsSync, fstatSync, readSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import { LogBatch, type LogFilter, type LogLine } from "./batch.ts";
import { fileCount, rotatedName, tailPosition, tryOpen } from "./tail.ts";

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

const CHUNK = 256 * 1024;
/** A file change is told by inotify; this is for what it cannot tell (rotation, a lost event). */
const POLL = 500;
const NEWLINE = 10;

/** Comparable form of an RFC 3339 UTC time: the fraction padded to nine digits. */
function comparable(time: string): string {
  const [, second, fraction = ""] = /^(.{19})(?:\.(\d+))?/.exec(time) ?? [];
  return `${second ?? time}.${fraction.padEnd(9, "0").slice(0, 9)}`;
}

function filterOf({ stdout = true, stderr = true, since, until }: ReadLogOptions): LogFilter {
  const from = since === undefined ? undefined : comparable(since);
  const to = until === undefined ? undefined : comparable(until);
  return (stream, time) => {
    if (from !== undefined && comparable(time()) < from) return "skip";
    if (to !== undefined && comparable(time()) > to) return "end";
    return (stream === "stdout" ? stdout : stderr) ? "take" : "skip";
  };
}

/** Reads whole lines of one open file, as far as it reaches now; called again, what has been added. */
class FileLines {
  #offset: number;
  #rest: Uint8Array = new Uint8Array();

  constructor(
    readonly fd: number,
    offset: number,
  ) {
    this.#offset = offset;
  }

  /** The next whole lines' bytes, newly made, or undefined at the (present) end. */
  next(): Uint8Array | undefined {
    const held = this.#rest.length;
    // No more than there is: a follower looks at every line that is written.
    const there = fstatSync(this.fd).size - this.#offset;
    if (there <= 0) return undefined;
    const bytes = new Uint8Array(held + Math.min(CHUNK, there));
    const got = readSync(this.fd, bytes, held, bytes.length - held, this.#offset);
    if (got === 0) return undefined;
    this.#offset += got;
    bytes.set(this.#rest);
    const whole = bytes.subarray(0, held + got);
    const end = whole.lastIndexOf(NEWLINE) + 1;
    this.#rest = whole.slice(end);
    return whole.subarray(0, end);
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
export async function* readLogBatches(path: string, options: ReadLogOptions = {}): AsyncGenerator<LogBatch> {
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
      const bytes = lines?.next();
      if (lines && !bytes) next = successor(path, lines.fd);
      if (bytes) {
        const batch = new LogBatch(bytes, filter);
        const { ended } = batch;
        if (batch.count > 0) yield batch;
        if (ended) return;
      }
      if (next !== undefined) {
        // What was written between our read and the rotation; a writer that has rotated writes there no more.
        for (let more = lines?.next(); more; more = lines?.next()) {
          const late = new LogBatch(more, filter);
          if (late.count > 0) yield late;
          if (late.ended) {
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
      if (bytes) continue;
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
  for await (const batch of readLogBatches(path, options)) yield* batch.lines();
}
