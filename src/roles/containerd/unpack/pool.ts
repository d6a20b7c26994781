// The threads that unpack the layers of one pull: as many as there are processors for, made when there is work. A slow download
// holds up its own pull's threads only.
import { closeSync, openSync } from "node:fs";
import { availableParallelism } from "node:os";
import { compiled } from "../../../self.ts";
import { type Answer, failureOf, type Order, Words } from "./job.ts";

/** Where a layer is unpacked to. */
export interface Place {
  directory: string;
  /** Name of the attribute that marks opaque directories, when `directory` is to be an overlay's upper. */
  opaque: string | undefined;
  /** Where the table of what was unpacked goes, for `system verify`. */
  table?: Order["table"];
}

export interface Unpacked {
  /** Digest and length of the tar: the layer's diff ID. */
  digest: string;
  size: number;
  /** Directories that the layer made in passing: see `takeAfterLower`. */
  implied: string[];
}

/** A layer on its way onto the disk. `done` rejects with ArchiveError or what the disk said. */
export interface Unpacking {
  /** The first `size` bytes of the file are there. */
  grown(size: number): void;
  /** The file is whole, and what it should be. */
  end(): void;
  abort(): void;
  /** How many bytes of the file were taken so far. */
  read(): number;
  readonly done: Promise<Unpacked>;
}

/** More would only hold memory: inflating is what takes the time. */
const MOST = 4;

/** The build's second entry point lies where it does in the tree: scripts/build.ts. */
const script = compiled
  ? "/$bunfs/root/roles/containerd/unpack/worker.js"
  : new URL("./worker.ts", import.meta.url);

interface Job {
  order: Order;
  resolve: (unpacked: Unpacked) => void;
  reject: (error: Error) => void;
}

class Thread {
  readonly #worker = new Worker(script, { smol: true });
  job: Job | undefined;

  constructor(onFree: (thread: Thread, dead: boolean) => void) {
    // The job is what is waited for, not the thread.
    this.#worker.unref();
    this.#worker.onmessage = ({ data }: { data: Answer }) => {
      const { job } = this;
      this.job = undefined;
      if ("failure" in data) job?.reject(failureOf(data.failure));
      else job?.resolve(data);
      onFree(this, false);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.job?.reject(new Error(`the unpacking thread ended: ${event.message}`));
      this.job = undefined;
      onFree(this, true);
    };
  }

  start(job: Job): void {
    this.job = job;
    this.#worker.postMessage(job.order);
  }

  end(): void {
    this.#worker.terminate();
  }
}

export class UnpackPool implements Disposable {
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  readonly #most = Math.min(availableParallelism(), MOST);

  /** Begins to unpack the layer in `file`, which may be there in part only. The file may be renamed meanwhile. */
  begin(file: string, { directory, opaque, table }: Place): Unpacking {
    const fd = openSync(file, "r");
    const words = new Words();
    // A program that waits for nothing else must not end meanwhile: the thread does not hold it.
    const awake = setInterval(() => {}, 60_000);
    const done = new Promise<Unpacked>((resolve, reject) => {
      this.#waiting.push({ order: { fd, directory, opaque, words: words.buffer, table }, resolve, reject });
    }).finally(() => {
      clearInterval(awake);
      closeSync(fd);
    });
    // Whoever began it may be busy with the download still.
    done.catch(() => {});
    this.#next();
    return {
      grown: (size) => words.grown(size),
      end: () => words.end(),
      abort: () => words.abort(),
      read: () => words.read,
      done,
    };
  }

  #next(): void {
    if (this.#waiting.length === 0) return;
    let free = [...this.#threads].find(({ job }) => job === undefined);
    if (!free && this.#threads.size < this.#most) {
      free = new Thread((thread, dead) => this.#freed(thread, dead));
      this.#threads.add(free);
    }
    const job = free && this.#waiting.shift();
    if (free && job) free.start(job);
  }

  #freed(thread: Thread, dead: boolean): void {
    if (dead) this.#threads.delete(thread);
    this.#next();
  }

  /** Ends the threads. All jobs must have ended: one that was cut off could still be writing. */
  [Symbol.dispose](): void {
    for (const thread of this.#threads) thread.end();
    this.#threads.clear();
  }
}
