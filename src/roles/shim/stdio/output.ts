// Where a process's stdout or stderr goes, and the kinds that need no copying: nothing, a descriptor of its own, the client's
// FIFO or file itself. The kind that copies is in relayed-output.ts.
import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import type { LogStream } from "../../../store/jsonlog/writer.ts";
import { held } from "./held.ts";
import { isFifo, openToAppend } from "./path.ts";

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

/** The process gets a descriptor that somebody else reads: a pipe to a log binary. */
export class GivenOutput implements Output {
  child: Fd | undefined;

  constructor(given: Fd) {
    this.child = given;
  }

  started(): void {
    this.child?.close();
    this.child = undefined;
  }

  async exited(): Promise<void> {}

  reconnect(): void {}

  save(): SavedOutput | undefined {
    return this.child ? undefined : { kind: "none" };
  }

  async close(): Promise<void> {
    this.child?.close();
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
    } else if (isFifo(path)) {
      this.#keeper = open(path, O_RDWR | O_NONBLOCK);
      this.child = open(path, O_WRONLY);
    } else this.child = openToAppend(path);
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
