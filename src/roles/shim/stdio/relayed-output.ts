// Copying a pipe or a pty master to the json-file log and to the client.

import { isErrno } from "../../../../ffi/errno.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { growPipe, pipe, pipeRoom, setNonBlocking } from "../../../../ffi/fifo.ts";
import { log } from "../../../observe/log.ts";
import type { JsonLog, LogStream } from "../../../store/jsonlog/writer.ts";
import { touch } from "../activity.ts";
import { FifoGoal } from "./fifo-goal.ts";
import { held } from "./held.ts";
import type { Output, SavedOutput } from "./output.ts";
import { Pace } from "./pace.ts";
import { readerOf, type SourceReader } from "./source.ts";

/** A logged process that writes much is stopped less often. */
const PIPE_SIZE = 1 << 20;
/** Milliseconds without pauses after somebody asked for the state in vain: an upgrade waits for a moment between two chunks. */
const RUSH = 1000;
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
  /** When the state was asked for in vain, as performance.now() tells it. */
  #refused = Number.NEGATIVE_INFINITY;
  /** Between two reads: a chunk is in our hands, or in the stream's. */
  #handling = false;
  /** The source has ended and everything went where it should. */
  #finished = false;

  /** `path` "": only the log. A pipe is made for the process unless a source (the pty master) is given later. */
  constructor(
    private readonly path: string,
    private readonly stream: LogStream,
    private readonly jsonLog: JsonLog | undefined,
    source: "pipe" | "terminal" | Extract<SavedOutput, { kind: "relayed" }>,
    /** Instead of what `path` names. */
    goal?: FifoGoal,
  ) {
    if (typeof source === "object") {
      this.#draining = source.draining;
      if (source.goal) this.#goal = new FifoGoal(path, source.goal.required, source.goal);
      if (source.source === undefined) this.#finished = true;
      else this.begin(new Fd(source.source, `${stream} of the process`));
      return;
    }
    if (goal) this.#goal = goal;
    else if (path !== "") this.#goal = new FifoGoal(path, jsonLog === undefined);
    if (source === "pipe") {
      const [read, write] = pipe();
      growPipe(read, PIPE_SIZE);
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
    this.#logged = this.#copy(reader, new Pace(pipeRoom(source))).finally(() => {
      source.close();
      this.#relayed = this.#relayed.then(() => {
        this.#goal?.end();
        this.#finished = true;
      });
    });
  }

  async #copy(reader: SourceReader, pace: Pace): Promise<void> {
    try {
      for (;;) {
        pace.reading(performance.now());
        const { done, value } = await reader.read();
        this.#handling = true;
        touch();
        if (done) break;
        const came = performance.now();
        this.#log(() => this.jsonLog?.write(this.stream, value));
        if (this.#draining) this.#relayLater(value);
        else {
          const waiting = this.#goal?.write(value);
          if (waiting) {
            this.#relayed = waiting;
            await this.#unlessDraining(waiting);
          } else if (came - this.#refused > RUSH) await this.#pause(pace.after(value.length, came));
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

  async #pause(ms: number): Promise<void> {
    if (ms === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await this.#unlessDraining(promise);
    clearTimeout(timer);
  }

  /** Waits, but not once the process has ended: the log must get the rest at once. */
  async #unlessDraining(waiting: Promise<void>): Promise<void> {
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
    if (this.child || this.#laterBytes > 0 || (this.#handling && !this.#finished)) {
      this.#refused = performance.now();
      return undefined;
    }
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
