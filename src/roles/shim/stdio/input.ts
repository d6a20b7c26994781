// Where a process's stdin comes from: the client's FIFO.

import { O_NONBLOCK, O_RDONLY, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { setNonBlocking } from "../../../../ffi/fifo.ts";
import { open } from "../../../../ffi/file.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import type { Outlet } from "./outlet.ts";
import { readerOf, type SourceReader } from "./source.ts";

/**
 * The process reads the FIFO itself. A write end is held until CloseIO, so that clients may come and go; once it is
 * closed and no client has the FIFO open, the process reads the end.
 */
export class Input {
  child: Fd | undefined;
  #keeper: Fd | undefined;
  #reader: SourceReader | undefined;

  constructor(path: string) {
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

  /** Copies into a terminal, which cannot be the FIFO itself. Keeps `child` as the source. */
  async copyTo(terminal: Outlet): Promise<void> {
    const source = this.child!;
    this.child = undefined;
    setNonBlocking(source, true);
    const reader = readerOf(source);
    this.#reader = reader;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        await terminal.write(value);
      }
    } catch {
      // The terminal has gone (EIO): input has no goal any more.
    } finally {
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
