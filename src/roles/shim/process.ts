// What the init process and an exec have in common: a pid, streams, an exit that others wait for, and one mailbox.
import { ServiceError } from "../../wire/containerd/services.ts";
import { touch } from "./activity.ts";
import type { Exit } from "./exits.ts";
import type { SavedStdio, Stdio, StdioPaths } from "./stdio/stdio.ts";

/** How long a reader that does not read may delay the end of a deleted process's streams. */
export const CLOSE_WAIT = 2000;
/** How long the log may delay the news of an exit (a process outside may still hold the pipe). */
export const LOG_WAIT = 2000;

/** A process in another shim process's hands. */
export interface SavedProcess<State extends string> {
  id: string;
  paths: StdioPaths;
  state: State;
  pid: number;
  exit?: Exit;
  stdio?: SavedStdio;
}

export class ShimProcess<State extends string> {
  pid = 0;
  exit: Exit | undefined;
  stdio: Stdio | undefined;
  #exited = Promise.withResolvers<Exit>();
  #mailbox: Promise<unknown> = Promise.resolve();
  #inMailbox = 0;

  constructor(
    /** Exec id, "" for the init process. */
    readonly id: string,
    readonly paths: StdioPaths,
    public state: State,
  ) {}

  /** Runs one thing at a time, in the order of arrival: a start is over before its process's exit is looked at. */
  exclusively<T>(work: () => Promise<T> | T): Promise<T> {
    this.#inMailbox++;
    const run = this.#mailbox.then(work);
    this.#mailbox = run
      .catch(() => {})
      .finally(() => {
        this.#inMailbox--;
        touch();
      });
    return run;
  }

  /** For another process to go on with; undefined while something is being done to it or its bytes are on their way. */
  save(): SavedProcess<State> | undefined {
    const stdio = this.stdio?.save();
    if (this.#inMailbox > 0 || (this.stdio && !stdio)) return undefined;
    const { id, paths, state, pid, exit } = this;
    return { id, paths, state, pid, ...(exit && { exit }), ...(stdio && { stdio }) };
  }

  /** Goes on with a saved process; its streams are the caller's to make. */
  static restore<State extends string>({
    id,
    paths,
    state,
    pid,
    exit,
  }: SavedProcess<State>): ShimProcess<State> {
    const process = new ShimProcess<State>(id, paths, state);
    process.pid = pid;
    if (exit) process.settle(exit);
    return process;
  }

  /** Makes the exit known to those who wait. */
  settle(exit: Exit): void {
    this.exit = exit;
    this.#exited.resolve(exit);
  }

  /** Resolves once the process has ended. */
  get exited(): Promise<Exit> {
    return this.#exited.promise;
  }

  /** Sends a signal to the process itself. NotFound when it is gone. */
  signal(signal: number): void {
    if (this.pid === 0 || this.exit) throw new ServiceError("NotFound", "process already finished");
    try {
      process.kill(this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ESRCH")
        throw new ServiceError("NotFound", "process already finished");
      throw error;
    }
  }
}
