// Where a process's stdout or stderr goes. The path is a FIFO that a client reads, or a regular file; the json-file log
// may be a second goal.
import { openSync, statSync } from "node:fs";
import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { growPipe, pipe, setNonBlocking } from "../../../../ffi/fifo.ts";
import { open } from "../../../../ffi/file.ts";
import { log } from "../../../observe/log.ts";
import type { JsonLog, LogStream } from "../../../store/jsonlog/writer.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { touch } from "../activity.ts";
import { held } from "./held.ts";
import { Outlet } from "./outlet.ts";
import { readerOf, type SourceReader } from "./source.ts";

/** An output in another process's hands. */
export type SavedOutput =
  | { kind: "none" }
  | { kind: "direct"; path: string; keeper?: number }
  | {
      kind: "relayed";
      path: string;
      stream: LogStream;
      source?: number;
      draining: boolean;
      goal?: { required: boolean; outlet?: number; keeper?: number };
    };

/** One output stream of a process, from before its start until its deletion. */
export interface Output {
  /** What the runtime gets as the process's descriptor; undefined: nothing (/dev/null). */
  readonly child: Fd | undefined;
  /** The runtime has started the process: our copy of `child` goes. */
  started(): void;
  /** The process has ended: what it wrote is brought to its end. Resolves when the log has everything. */
  exited(): Promise<void>;
  /** A client may have come (back): try its FIFO again. */
  reconnect(): void;
  /** For another process to go on with; undefined while bytes are on their way. */
  save(): SavedOutput | undefined;
  /** Gives up what is unread and closes everything. Waits for a slow reader at most `ms`. */
  close(ms: number): Promise<void>;
}

export const NO_OUTPUT: Output = {
  child: undefined,
  started() {},
  async exited() {},
  reconnect() {},
  save: () => ({ kind: "none" }),
  async close() {},
};

function isFifo(path: string): boolean {
  try {
    return statSync(path).isFIFO();
  } catch (error) {
    throw new ServiceError("InvalidArgument", `stdio ${path}: ${(error as Error).message}`);
  }
}

/**
 * The process writes into the FIFO (or file) itself: nothing to copy, nothing to wake up for. Only for processes whose
 * end surely closes every copy of the descriptor, or a reader would wait for an end that does not come.
 */
export class DirectOutput implements Output {
  child: Fd | undefined;
  /** Held open so that a missing reader blocks the process instead of killing it, and loses nothing. */
  #keeper: Fd | undefined;

  constructor(
    private readonly path: string,
    saved?: Extract<SavedOutput, { kind: "direct" }>,
  ) {
    if (saved) {
      if (saved.keeper !== undefined) this.#keeper = new Fd(saved.keeper, path);
    } else if (path.startsWith("file://")) {
      this.child = new Fd(openSync(path.slice("file://".length), "a", 0o644), path);
    } else if (isFifo(path)) {
      this.#keeper = open(path, O_RDWR | O_NONBLOCK);
      this.child = open(path, O_WRONLY);
    } else this.child = new Fd(openSync(path, "a"), path);
  }

  started(): void {
    this.child?.close();
    this.child = undefined;
  }

  async exited(): Promise<void> {
    if (!this.#keeper) return;
    // A read end keeps unread output alive for a reader that comes later, and lets a reader see the end.
    const reader = open(this.path, O_RDONLY | O_NONBLOCK);
    this.#keeper.close();
    this.#keeper = reader;
  }

  reconnect(): void {}

  save(): SavedOutput | undefined {
    if (this.child) return undefined;
    return { kind: "direct", path: this.path, ...held("keeper", this.#keeper) };
  }

  async close(): Promise<void> {
    this.child?.close();
    this.#keeper?.close();
  }
}

/** Where relayed bytes go besides the log. */
class FifoGoal {
  #outlet: Outlet | undefined;
  /** Keeps what a late reader has not read yet, once the writing is over. */
  #keeper: Fd | undefined;

  /** `required`: a missing reader blocks (as without a log); otherwise output goes on without it. */
  constructor(
    private readonly path: string,
    private readonly required: boolean,
    saved?: { outlet?: number; keeper?: number },
  ) {
    if (saved) {
      if (saved.outlet !== undefined) this.#outlet = new Outlet(new Fd(saved.outlet, path));
      if (saved.keeper !== undefined) this.#keeper = new Fd(saved.keeper, path);
    } else if (!isFifo(path)) this.#outlet = new Outlet(new Fd(openSync(path, "a"), path));
    else if (required) this.#outlet = new Outlet(open(path, O_RDWR | O_NONBLOCK));
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (!this.#outlet) this.connect();
    if (!this.#outlet) return undefined;
    try {
      return this.#outlet.write(chunk)?.catch((error) => this.#lost(error));
    } catch (error) {
      this.#lost(error);
      return undefined;
    }
  }

  /** undefined while the reader is waited for. */
  save(): { required: boolean; outlet?: number; keeper?: number } | undefined {
    if (this.#outlet && !this.#outlet.idle) return undefined;
    return {
      required: this.required,
      ...held("outlet", this.#outlet?.fd),
      ...held("keeper", this.#keeper),
    };
  }

  #lost(error: unknown): void {
    if (!isErrno(error, "EPIPE")) log("warning", "output is no longer relayed", { path: this.path, error });
    this.#outlet?.close();
    this.#outlet = undefined;
  }

  connect(): void {
    if (this.#outlet) return;
    try {
      this.#outlet = new Outlet(open(this.path, O_WRONLY | O_NONBLOCK));
    } catch (error) {
      // ENXIO: nobody reads. ENOENT: the client took its FIFO away. Nothing here may stop the output's way to the log.
      if (!isErrno(error, "ENXIO", "ENOENT"))
        log("warning", "a client's FIFO cannot be opened", { path: this.path, error });
    }
  }

  /** No more output: the reader sees the end after what is in the FIFO. */
  end(): void {
    if (this.required && this.#outlet) {
      try {
        this.#keeper = open(this.path, O_RDONLY | O_NONBLOCK);
      } catch {
        // The client took its FIFO away.
      }
    }
    this.#outlet?.close();
    this.#outlet = undefined;
  }

  close(): void {
    this.#outlet?.close();
    this.#keeper?.close();
  }
}

/** What may wait in memory for a slow reader once the process has ended. */
const MAX_LATER = 4 << 20;

/** Copies a pipe or a pty master to the log and to the client's FIFO. */
export class RelayedOutput implements Output {
  child: Fd | undefined;
  #source: Fd | undefined;
  #goal: FifoGoal | undefined;
  #draining = false;
  #reader: SourceReader | undefined;
  /** Settles when the source has ended and the log has all of it. */
  #logged: Promise<void> = Promise.resolve();
  /** Settles when the FIFO has all of it as well. */
  #relayed: Promise<void> = Promise.resolve();
  #logFailed = false;
  /** Between two reads: a chunk is in our hands. */
  #handling = false;
  /** The source has ended and everything went where it should. */
  #finished = false;

  /** `path` "": only the log. A pipe is made for the process unless a source (the pty master) is given later. */
  constructor(
    private readonly path: string,
    private readonly stream: LogStream,
    private readonly jsonLog: JsonLog | undefined,
    source: "pipe" | "terminal" | Extract<SavedOutput, { kind: "relayed" }>,
  ) {
    if (typeof source === "object") {
      this.#draining = source.draining;
      if (source.goal) this.#goal = new FifoGoal(path, source.goal.required, source.goal);
      if (source.source === undefined) this.#finished = true;
      else this.begin(new Fd(source.source, `${stream} of the process`));
      return;
    }
    if (path !== "") this.#goal = new FifoGoal(path, jsonLog === undefined);
    if (source === "pipe") {
      const [read, write] = pipe();
      growPipe(read, 1 << 20);
      this.#source = read;
      this.child = write;
    }
  }

  started(): void {
    this.child?.close();
    this.child = undefined;
    if (this.#source) this.begin(this.#source);
  }

  /** Starts copying from `source`, which is closed at its end. */
  begin(source: Fd): void {
    this.#source = source;
    setNonBlocking(source, true);
    const reader = readerOf(source);
    this.#reader = reader;
    this.#logged = this.#copy(reader).finally(() => {
      source.close();
      this.#relayed = this.#relayed.then(() => {
        this.#goal?.end();
        this.#finished = true;
      });
    });
  }

  async #copy(reader: SourceReader): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await reader.read();
        this.#handling = true;
        touch();
        if (done) break;
        this.#log(() => this.jsonLog?.write(this.stream, value));
        if (this.#draining) this.#relayLater(value);
        else {
          const waiting = this.#goal?.write(value);
          if (waiting) await this.#unlessDraining(waiting);
        }
        this.#handling = false;
      }
    } catch (error) {
      // A pty whose last holder has gone reads EIO. man 4 pts.
      if (!isErrno(error, "EIO")) log("error", "reading output failed", { stream: this.stream, error });
    }
    this.#log(() => this.jsonLog?.end(this.stream));
  }

  #startDraining: (() => void) | undefined;
  #laterBytes = 0;

  /** After the process's end: a pipe's content at the most, unless some other process still writes. */
  #relayLater(chunk: Uint8Array): void {
    if (this.#laterBytes + chunk.length > MAX_LATER) return;
    this.#laterBytes += chunk.length;
    this.#relayed = this.#relayed
      .then(() => this.#goal?.write(chunk))
      .then(() => {
        this.#laterBytes -= chunk.length;
      });
  }

  /** Waits for the reader, but not once the process has ended: the log must get the rest at once. */
  async #unlessDraining(waiting: Promise<void>): Promise<void> {
    this.#relayed = waiting;
    if (this.#draining) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#startDraining = resolve;
    await Promise.race([waiting, promise]);
    this.#startDraining = undefined;
  }

  #log(write: () => void): void {
    try {
      write();
      this.#logFailed = false;
    } catch (error) {
      // A full disk must not stop the container; say it once.
      if (!this.#logFailed) log("error", "writing the container's log failed", { error });
      this.#logFailed = true;
    }
  }

  async exited(): Promise<void> {
    // Without a log there is nothing to hurry for, and the reader's pace is the process's.
    if (!this.jsonLog) return;
    this.#draining = true;
    this.#startDraining?.();
    await this.#logged;
  }

  reconnect(): void {
    this.#goal?.connect();
  }

  save(): SavedOutput | undefined {
    // A promise that is due has been kept by the time anybody asks: asking happens in a timer.
    if (this.child || this.#laterBytes > 0 || (this.#handling && !this.#finished)) return undefined;
    const goal = this.#goal?.save();
    if (this.#goal && !goal) return undefined;
    const { path, stream } = this;
    const source = this.#finished ? {} : held("source", this.#source);
    return { kind: "relayed", path, stream, draining: this.#draining, ...source, ...(goal && { goal }) };
  }

  async close(ms: number): Promise<void> {
    this.child?.close();
    const done = this.#logged.then(() => this.#relayed);
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([done, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
    clearTimeout(timer);
    await this.#reader?.cancel().catch(() => {});
    this.#source?.close();
    this.#goal?.close();
  }
}
