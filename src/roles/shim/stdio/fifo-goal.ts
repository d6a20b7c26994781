// Where relayed bytes go besides the log: a client's FIFO that may have a reader or not, a file, or a pipe that was given.
import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import { log } from "../../../observe/log.ts";
import { held } from "./held.ts";
import { Outlet } from "./outlet.ts";
import { isFifo, openToAppend } from "./path.ts";

/** Descriptors of a goal in another process's hands, or given to it. */
export interface SavedGoal {
  outlet?: number;
  keeper?: number;
}

export class FifoGoal {
  #outlet: Outlet | undefined;
  /** Keeps what a late reader has not read yet, once the writing is over. */
  #keeper: Fd | undefined;

  /** `required`: a missing reader blocks (as without a log); otherwise output goes on without it. */
  constructor(
    private readonly path: string,
    private readonly required: boolean,
    saved?: SavedGoal,
  ) {
    if (saved) {
      if (saved.outlet !== undefined) this.#outlet = new Outlet(new Fd(saved.outlet, path));
      if (saved.keeper !== undefined) this.#keeper = new Fd(saved.keeper, path);
    } else if (!isFifo(path)) this.#outlet = new Outlet(openToAppend(path));
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
  save(): (SavedGoal & { required: boolean }) | undefined {
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
