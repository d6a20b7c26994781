// One layer's unpacking as the daemon and the thread that does it see it: an order, an answer, and a few shared words.
import { ArchiveError } from "../../../store/tar/entry.ts";

export interface Order {
  /** The layer's file, open for reading. Threads of one process share descriptors. */
  fd: number;
  /** Where to unpack. */
  directory: string;
  /** Name of the attribute that marks opaque directories, when `directory` is to be an overlay's upper. */
  opaque: string | undefined;
  words: SharedArrayBuffer;
  /** The table of what was unpacked, and what its first line says. */
  table: { file: string; header: object } | undefined;
}

export type Answer =
  | { digest: string; size: number; implied: string[] }
  | { failure: { archive: boolean; message: string; code: string | undefined } };

/** Words that both sides see: how much of the file is there, whether that is all, whether to give up, how much was read. */
export class Words {
  readonly buffer: SharedArrayBuffer;
  readonly #flags: Int32Array;
  readonly #sizes: BigInt64Array;

  constructor(buffer = new SharedArrayBuffer(32)) {
    this.buffer = buffer;
    this.#sizes = new BigInt64Array(buffer, 0, 2);
    this.#flags = new Int32Array(buffer, 16, 3);
  }

  #wake(): void {
    Atomics.add(this.#flags, 0, 1);
    Atomics.notify(this.#flags, 0);
  }

  /** The first `size` bytes of the file are there. */
  grown(size: number): void {
    Atomics.store(this.#sizes, 0, BigInt(size));
    this.#wake();
  }

  /** The file is whole. */
  end(): void {
    Atomics.or(this.#flags, 1, ENDED);
    this.#wake();
  }

  abort(): void {
    Atomics.or(this.#flags, 1, ABORTED);
    this.#wake();
  }

  get aborted(): boolean {
    return (Atomics.load(this.#flags, 1) & ABORTED) !== 0;
  }

  set read(size: number) {
    Atomics.store(this.#sizes, 1, BigInt(size));
  }

  get read(): number {
    return Number(Atomics.load(this.#sizes, 1));
  }

  /** Blocks the thread until there is more than `at`; returns how much, or undefined at the end. */
  waitBeyond(at: number): number | undefined {
    for (;;) {
      const turn = Atomics.load(this.#flags, 0);
      const flags = Atomics.load(this.#flags, 1);
      if (flags & ABORTED) throw new Aborted();
      const size = Number(Atomics.load(this.#sizes, 0));
      if (size > at) return size;
      if (flags & ENDED) return undefined;
      Atomics.wait(this.#flags, 0, turn);
    }
  }
}

const ENDED = 1;
const ABORTED = 2;

class Aborted extends Error {
  override readonly name = "AbortError";
}

/** An error's way through the border between threads. */
export function told(error: unknown): Answer {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  return {
    failure: {
      archive: error instanceof ArchiveError,
      message,
      code: typeof code === "string" ? code : undefined,
    },
  };
}

/** The error that `told` told of. */
export function failureOf({
  archive,
  message,
  code,
}: Extract<Answer, { failure: object }>["failure"]): Error {
  const error = archive ? new ArchiveError(message) : new Error(message);
  return code === undefined ? error : Object.assign(error, { code });
}
