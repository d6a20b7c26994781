// The json-file log on disk: appends, and rotates by size. One write(2) for each chunk of output.
import { O_APPEND, O_CREAT, O_RDWR } from "../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../ffi/errno.ts";
import { Fd } from "../../../ffi/fd.ts";
import { open, pread, write } from "../../../ffi/file.ts";
import { makeDirectories, parentOf, removeFile, rename } from "../../../ffi/path.ts";
import { statAt } from "../../../ffi/tree.ts";
import { wallClock } from "../../../ffi/wait.ts";
import { LineEncoder, rfc3339Nano } from "./encode.ts";
import { Entries } from "./entries.ts";

export type LogStream = "stdout" | "stderr";

export interface JsonLogOptions {
  /** Bytes after which the file is rotated; -1 (or 0): never. */
  maxSize?: number;
  /** Files kept, the current one included. */
  maxFile?: number;
  mode?: number;
}

const NEWLINE = 10;

/** One for all logs: it is empty between two calls. */
const entries = new Entries();

const sizeOf = (fd: Fd) => statAt(fd, "")!.size;

/** An open log in another process's hands. */
export interface SavedJsonLog {
  path: string;
  options: JsonLogOptions;
  fd: number;
  torn: boolean;
  /** Unfinished lines. */
  rest: Record<LogStream, Uint8Array>;
}

export class JsonLog {
  #fd: Fd | undefined;
  #size = 0;
  /** The last write stopped inside a line (ENOSPC). */
  #torn = false;
  #closed = false;
  #encoders: Record<LogStream, LineEncoder> = {
    stdout: new LineEncoder("stdout"),
    stderr: new LineEncoder("stderr"),
  };
  readonly #maxSize: number;
  readonly #maxFile: number;
  readonly #mode: number;

  /** Opens (creates) the file. A line that a crash cut short is ended, so that it stays one bad line. */
  constructor(
    readonly path: string,
    private readonly options: JsonLogOptions = {},
    saved?: SavedJsonLog,
  ) {
    this.#maxSize = options.maxSize ?? -1;
    this.#maxFile = Math.max(1, options.maxFile ?? 1);
    this.#mode = options.mode ?? 0o640;
    if (saved) {
      if (saved.fd >= 0) this.#fd = new Fd(saved.fd, path);
      this.#size = this.#fd ? sizeOf(this.#fd) : 0;
      this.#torn = saved.torn;
      for (const stream of ["stdout", "stderr"] as const)
        this.#encoders[stream] = new LineEncoder(stream, saved.rest[stream]);
      return;
    }
    makeDirectories(parentOf(path), 0o710);
    this.#fd = this.#open();
    const last = new Uint8Array(1);
    if (this.#size > 0 && pread(this.#fd, last, this.#size - 1) === 1 && last[0] !== NEWLINE)
      this.#append(new Uint8Array([NEWLINE]));
  }

  /** For another process to go on with, which gets the descriptor by inheritance. */
  save(): SavedJsonLog {
    const { path, options } = this;
    const { stdout, stderr } = this.#encoders;
    const rest = { stdout: stdout.rest, stderr: stderr.rest };
    return { path, options, fd: this.#fd?.number ?? -1, torn: this.#torn, rest };
  }

  /** Goes on with a log that another process had open. */
  static restore(saved: SavedJsonLog): JsonLog {
    return new JsonLog(saved.path, saved.options, saved);
  }

  #open(): Fd {
    const fd = open(this.path, O_RDWR | O_CREAT | O_APPEND, this.#mode);
    this.#size = sizeOf(fd);
    return fd;
  }

  /** Logs output as it came. Throws when the disk does not take it (ENOSPC …); that output is then not logged. */
  write(stream: LogStream, chunk: Uint8Array): void {
    this.#encoders[stream].push(chunk, rfc3339Nano(wallClock()), entries);
    this.#append(entries.take());
  }

  /** The stream has ended: its unfinished last line is written as it is. */
  end(stream: LogStream): void {
    this.#encoders[stream].flush(rfc3339Nano(wallClock()), entries);
    this.#append(entries.take());
  }

  /** What comes later is dropped. */
  close(): void {
    this.#closed = true;
    this.#release();
  }

  #release(): void {
    this.#fd?.close();
    this.#fd = undefined;
  }

  #append(bytes: Uint8Array): void {
    if (this.#closed || bytes.length === 0) return;
    // A rotation that failed half-way left none open.
    this.#fd ??= this.#open();
    let rest = bytes;
    if (this.#torn) {
      rest = new Uint8Array(bytes.length + 1);
      rest[0] = NEWLINE;
      rest.set(bytes, 1);
    }
    while (rest.length > 0) {
      if (this.#maxSize > 0 && this.#size >= this.#maxSize) this.#rotate();
      let part = rest;
      if (this.#maxSize > 0 && this.#size + rest.length > this.#maxSize) {
        // Up to and with the entry that fills the file.
        const end = rest.indexOf(NEWLINE, Math.max(0, this.#maxSize - this.#size - 1));
        if (end >= 0) part = rest.subarray(0, end + 1);
      }
      for (let at = 0; at < part.length; ) {
        const taken = write(this.#fd, at === 0 ? part : part.subarray(at));
        at += taken;
        this.#size += taken;
        this.#torn = part[at - 1] !== NEWLINE;
      }
      rest = rest.subarray(part.length);
    }
  }

  /** path.N-2 → path.N-1, …, path → path.1, oldest first, so that a crash in between loses nothing that should stay. */
  #rotate(): void {
    this.#release();
    const name = (n: number) => (n === 0 ? this.path : `${this.path}.${n}`);
    removeFile(name(this.#maxFile - 1));
    for (let n = this.#maxFile - 1; n > 0; n--) {
      try {
        rename(name(n - 1), name(n));
      } catch (error) {
        if (!isErrno(error, "ENOENT")) throw error;
      }
    }
    this.#fd = this.#open();
  }
}
