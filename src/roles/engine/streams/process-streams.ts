// The three streams of one run of one process (a container's, or an exec's) and the clients attached to them. Clients may come
// before the process starts and then see every byte. Output is only read while somebody wants it: the log is the shim's work.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../../../ffi/errno.ts";
import { mkfifo } from "../../../../ffi/fifo.ts";
import type { TaskIO } from "../../../wire/containerd/services.ts";
import { within } from "../../../within.ts";
import { FifoReader } from "./fifo-reader.ts";
import type { OutputStream } from "./frame.ts";
import { StdinWriter } from "./stdin-writer.ts";

/** One attached client. */
export interface Attached {
  wants(stream: OutputStream): boolean;
  /** Undefined when it was taken at once, else a promise for when there is room again. Never rejects. */
  write(stream: OutputStream, chunk: Uint8Array): Promise<void> | undefined;
  /** No output comes any more. */
  end(): void;
}

export interface StreamsOptions {
  /** `<exec-root>/libcontainerd/<id>` */
  directory: string;
  /** "init", or the exec's id. */
  prefix: string;
  terminal: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Read and throw away when nobody is attached: a process that writes to a FIFO without a reader stops. */
  alwaysRead: boolean;
}

/** How long a client may take nothing before the end of its stream is no longer waited for. */
export const STALL = 2000;

export class ProcessStreams {
  readonly #attached = new Set<Attached>();
  readonly #readers = new Map<OutputStream, FifoReader>();
  #stdin: StdinWriter | undefined;
  #live = false;

  constructor(readonly options: StreamsOptions) {}

  /** What the task gets: FIFO paths, "" for what is not there. */
  get io(): TaskIO {
    const { options } = this;
    return {
      stdin: options.stdin ? this.#path("stdin") : "",
      stdout: options.stdout ? this.#path("stdout") : "",
      stderr: options.stderr && !options.terminal ? this.#path("stderr") : "",
      terminal: options.terminal,
    };
  }

  #path(stream: "stdin" | OutputStream): string {
    return join(this.options.directory, `${this.options.prefix}-${stream}`);
  }

  get #outputs(): OutputStream[] {
    const { stdout, stderr } = this.io;
    return [...(stdout === "" ? [] : ["stdout" as const]), ...(stderr === "" ? [] : ["stderr" as const])];
  }

  /** Makes all three FIFOs; those that a crash left are taken again. */
  makeFifos(): void {
    mkdirSync(this.options.directory, { recursive: true, mode: 0o711 });
    for (const stream of ["stdin", "stdout", "stderr"] as const) {
      try {
        mkfifo(this.#path(stream), 0o700);
      } catch (error) {
        if (!isErrno(error, "EEXIST")) throw error;
      }
    }
  }

  removeFifos(): void {
    for (const stream of ["stdin", "stdout", "stderr"] as const) rmSync(this.#path(stream), { force: true });
  }

  /** Before the process is created, or when a live one is taken up again: opens what is wanted. */
  open(): void {
    this.#live = true;
    if (this.options.stdin) this.#stdin = new StdinWriter(this.#path("stdin"));
    this.#readWanted();
  }

  /** Adds a client; the result takes it away again. */
  attach(client: Attached): () => void {
    this.#attached.add(client);
    try {
      if (this.#live) this.#readWanted();
    } catch (error) {
      this.#attached.delete(client);
      throw error;
    }
    return () => {
      if (!this.#attached.delete(client)) return;
      this.#stopUnwanted();
    };
  }

  get attachedCount(): number {
    return this.#attached.size;
  }

  #wanted(stream: OutputStream): boolean {
    if (this.options.alwaysRead) return true;
    for (const client of this.#attached) if (client.wants(stream)) return true;
    return false;
  }

  #readWanted(): void {
    for (const stream of this.#outputs) {
      if (this.#readers.has(stream) || !this.#wanted(stream)) continue;
      const reader = new FifoReader(this.#path(stream), (chunk) => this.#deliver(stream, chunk));
      this.#readers.set(stream, reader);
      void reader.ended.then(() => {
        if (this.#readers.get(stream) === reader) this.#readers.delete(stream);
      });
    }
  }

  #stopUnwanted(): void {
    for (const [stream, reader] of this.#readers) {
      if (this.#wanted(stream)) continue;
      this.#readers.delete(stream);
      reader.stop();
    }
  }

  #deliver(stream: OutputStream, chunk: Uint8Array): Promise<void> | undefined {
    const waits: Promise<void>[] = [];
    for (const client of this.#attached) {
      if (!client.wants(stream)) continue;
      const wait = client.write(stream, chunk);
      if (wait) waits.push(wait);
    }
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => {});
  }

  /** Whether input can be written now. */
  get hasStdin(): boolean {
    return this.#stdin !== undefined;
  }

  /** Resolves when the pipe has taken it; input without a process is dropped. */
  async writeStdin(chunk: Uint8Array): Promise<void> {
    await this.#stdin?.write(chunk);
  }

  /** The end of the input. The shim has to close its own end as well (Task.CloseIO). */
  async closeStdin(): Promise<void> {
    const stdin = this.#stdin;
    this.#stdin = undefined;
    await stdin?.close();
  }

  /**
   * The process has exited (or never came to be). `settled` resolves when everything was handed on, or when a client has
   * taken nothing for a while; `drained` when everything was, however long it takes. Both end by `close`.
   */
  finish(): { settled: Promise<void>; drained: Promise<void> } {
    this.#live = false;
    const stdin = this.#stdin;
    this.#stdin = undefined;
    void stdin?.abandon().catch(() => {});
    const readers = [...this.#readers.values()];
    for (const reader of readers) reader.finish();
    const drained = Promise.all(readers.map((reader) => reader.ended)).then(() => this.#endAll());
    return { settled: this.#settle(readers, drained), drained };
  }

  async #settle(readers: readonly FifoReader[], drained: Promise<void>): Promise<void> {
    while (!(await within(STALL / 8, drained))) {
      if (readers.every((reader) => Date.now() - reader.lastProgress > STALL)) return;
    }
  }

  /** Ends every client's stream now and reads no more. */
  close(): void {
    this.#live = false;
    for (const reader of this.#readers.values()) reader.stop();
    this.#readers.clear();
    const stdin = this.#stdin;
    this.#stdin = undefined;
    void stdin?.abandon().catch(() => {});
    this.#endAll();
  }

  #endAll(): void {
    for (const client of this.#attached) client.end();
    this.#attached.clear();
  }
}
