// A log driver as a program (binary://): it reads the process's stdout at descriptor 3 and its stderr at 4, closes 5 when it is
// ready, and ends after both have ended. containerd: core/runtime/v2/README.md, "Logging".
import type { Fd } from "../../../../ffi/fd.ts";
import { pipe, setNonBlocking } from "../../../../ffi/fifo.ts";
import { log } from "../../../observe/log.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import type { Exits } from "../exits.ts";
import { readerOf } from "./source.ts";

/** How long it may take to be ready. */
const START = 10_000;
/** How long it may go on after the end of its streams before it gets SIGTERM, and after that before it gets SIGKILL. */
const PATIENCE = 2000;
const TERMINATION = 10_000;

/** A log binary in another process's hands. */
export interface SavedLogBinary {
  pid: number;
  /** It has ended: the pid may be somebody else's by now. */
  over: boolean;
}

export interface LogBinaryOptions {
  path: string;
  args: readonly string[];
  /** The container's id (of an exec: its own), and the namespace. */
  id: string;
  namespace: string;
}

export class LogBinary {
  readonly pid: number;
  #ended = Promise.withResolvers<void>();
  #over = false;
  /** Write ends, until they are given to the process. */
  #stdout: Fd | undefined;
  #stderr: Fd | undefined;
  #ready: Fd | undefined;

  constructor(exits: Exits, start: LogBinaryOptions | SavedLogBinary) {
    void this.#ended.promise.then(() => {
      this.#over = true;
    });
    if ("pid" in start) {
      this.pid = start.pid;
      this.#over = start.over;
      if (start.over) this.#ended.resolve();
      else exits.claim(start.pid, () => this.#ended.resolve());
      return;
    }
    const { path, args, id, namespace } = start;
    const [out, outEnd] = pipe();
    const [err, errEnd] = pipe();
    const [ready, readyEnd] = pipe();
    const theirs = [out, err, readyEnd];
    try {
      const child = Bun.spawn([path, ...args], {
        env: { CONTAINER_ID: id, CONTAINER_NAMESPACE: namespace },
        stdio: ["ignore", "ignore", "ignore", ...theirs.map((fd) => fd.number)],
      });
      child.unref();
      this.pid = child.pid;
      // Whichever of the two reaps it.
      exits.claim(child.pid, () => this.#ended.resolve());
      void child.exited.catch(() => {}).then(() => this.#ended.resolve());
    } catch (error) {
      for (const each of [outEnd, errEnd, ready]) each.close();
      throw new ServiceError("Unknown", `failed to start binary process: ${(error as Error).message}`);
    } finally {
      for (const each of theirs) each.close();
    }
    this.#stdout = outEnd;
    this.#stderr = errEnd;
    this.#ready = ready;
  }

  /** The process's end of a stream; the caller owns it. */
  take(stream: "stdout" | "stderr"): Fd {
    const fd = stream === "stdout" ? this.#stdout : this.#stderr;
    if (stream === "stdout") this.#stdout = undefined;
    else this.#stderr = undefined;
    if (!fd) throw new Error(`the log binary's ${stream} was taken before`);
    return fd;
  }

  /** Resolves once it has said that it reads, or has ended. Throws when it says nothing. */
  async ready(): Promise<void> {
    const fd = this.#ready;
    if (!fd) return;
    this.#ready = undefined;
    setNonBlocking(fd, true);
    const reader = readerOf(fd);
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const late = new Promise<"late">((resolve) => {
        timer = setTimeout(() => resolve("late"), START);
      });
      if ((await Promise.race([reader.read(), late])) === "late")
        throw new ServiceError(
          "DeadlineExceeded",
          `log binary (pid ${this.pid}): not ready after ${START / 1000} s`,
        );
    } finally {
      clearTimeout(timer);
      await reader.cancel().catch(() => {});
      fd.close();
    }
  }

  /** For another process to go on with; undefined while it is being started. */
  save(): SavedLogBinary | undefined {
    return this.#ready || this.#stdout || this.#stderr ? undefined : { pid: this.pid, over: this.#over };
  }

  /** Its streams have ended: resolves when it has too, of itself or by force. */
  async close(): Promise<void> {
    for (const each of [this.#stdout, this.#stderr, this.#ready]) each?.close();
    if (this.#over) return;
    for (const [patience, signal] of [
      [PATIENCE, "SIGTERM"],
      [TERMINATION, "SIGKILL"],
    ] as const) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([
        this.#ended.promise,
        new Promise((resolve) => (timer = setTimeout(resolve, patience))),
      ]);
      clearTimeout(timer);
      if (this.#over) return;
      log("warning", "the log binary goes on after its streams have ended", { pid: this.pid, signal });
      try {
        process.kill(this.pid, signal);
      } catch {
        return;
      }
    }
    await this.#ended.promise;
  }
}
