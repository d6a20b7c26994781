// Where a process's stdin comes from: the client's FIFO.

import { O_NONBLOCK, O_RDONLY, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { setNonBlocking } from "../../../../ffi/fifo.ts";
import { open } from "../../../../ffi/file.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { touch } from "../activity.ts";
import { held } from "./held.ts";
import type { Outlet } from "./outlet.ts";
import { readerOf, type SourceReader } from "./source.ts";

/** Descriptors of an input in another process's hands. */
export interface SavedInput {
  keeper?: number;
  source?: number;
}

/**
 * The process reads the FIFO itself. A write end is held until CloseIO, so that clients may come and go; once it is
 * closed and no client has the FIFO open, the process reads the end.
 */
export class Input {
  child: Fd | undefined;
  #keeper: Fd | undefined;
  /** The FIFO, while it is copied into a terminal. */
  #source: Fd | undefined;
  #reader: SourceReader | undefined;
  #copying = false;

  constructor(path: string, saved?: SavedInput) {
    if (saved) {
      if (saved.keeper !== undefined) this.#keeper = new Fd(saved.keeper, path);
      if (saved.source !== undefined) this.child = new Fd(saved.source, path);
      return;
    }
    try {
      this.child = open(path, O_RDONLY | O_NONBLOCK);
      this.#keeper = open(path, O_WRONLY | O_NONBLOCK);
      setNonBlocking(this.child, false);
    } catch (error) {
      this.child?.close();
      throw new ServiceError("InvalidArgument", `stdio ${path}: ${(error as Error).message}`);
    }
  }

  started(): void {
    this.child?.close();
    this.child = undefined;
  }

  /** For another process to go on with; undefined while bytes are on their way. */
  save(): SavedInput | undefined {
    if (this.child || this.#copying) return undefined;
    return { ...held("keeper", this.#keeper), ...held("source", this.#source) };
  }

  /** Copies into a terminal, which cannot be the FIFO itself. Keeps `child` as the source. */
  async copyTo(terminal: Outlet): Promise<void> {
    const source = this.child;
    if (!source) return;
    this.child = undefined;
    this.#source = source;
    setNonBlocking(source, true);
    const reader = readerOf(source);
    this.#reader = reader;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        touch();
        this.#copying = true;
        await terminal.write(value);
        this.#copying = false;
      }
    } catch {
      // The terminal has gone (EIO): input has no goal any more.
    } finally {
      this.#copying = false;
      source.close();
    }
  }

  /** Task.CloseIO. */
  closeKeeper(): void {
    this.#keeper?.close();
  }

  close(): void {
    this.child?.close();
    this.#keeper?.close();
    void this.#reader?.cancel().catch(() => {});
  }
}
