// A process's stdio on this terminal: FIFOs that its shim opens too, raw mode, window size, signals.
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync, write } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { mkfifo, setNonBlocking } from "../../../ffi/fifo.ts";
import { open } from "../../../ffi/file.ts";
import type { TaskIO, Tasks } from "../../wire/containerd/services.ts";

const writeAll = promisify(write);

/** Where ctr keeps FIFOs unless told otherwise. */
const DIRECTORY = "/run/containerd/fifo";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

interface Output {
  /** Holds the FIFO open for writing until the process has ended, so that its end is not seen before its beginning. */
  keeper: Fd;
  copied: Promise<void>;
}

function copyOut(path: string, to: NodeJS.WriteStream): Output {
  const reader = open(path, O_RDONLY | O_NONBLOCK);
  const keeper = open(path, O_WRONLY | O_NONBLOCK);
  const copied = (async () => {
    try {
      for await (const chunk of Bun.file(reader.number).stream()) {
        if (!to.write(chunk)) await new Promise((resolve) => to.once("drain", resolve));
      }
    } finally {
      reader.close();
    }
  })();
  return { keeper, copied };
}

export class ProcessIO {
  readonly io: TaskIO;
  readonly #directory: string | undefined;
  readonly #outputs: Output[] = [];
  readonly #held: Fd[] = [];
  #stdin: Fd | undefined;
  #undo: (() => void)[] = [];

  private constructor(io: TaskIO, directory: string | undefined) {
    this.io = io;
    this.#directory = directory;
  }

  /** No stdio at all. */
  static none(terminal = false): ProcessIO {
    return new ProcessIO({ stdin: "", stdout: "", stderr: "", terminal }, undefined);
  }

  /** Makes FIFOs for a process that nobody is attached to yet. A terminal has one stream for both outputs. */
  static detached(id: string, options: { terminal: boolean; directory?: string }): ProcessIO {
    const base = options.directory || DIRECTORY;
    mkdirSync(base, { recursive: true, mode: 0o700 });
    const directory = mkdtempSync(join(base, "ctr-"));
    const fifo = (stream: string) => {
      const path = join(directory, `${id}-${stream}`);
      mkfifo(path, 0o700);
      return path;
    };
    const io: TaskIO = {
      stdin: fifo("stdin"),
      stdout: fifo("stdout"),
      stderr: options.terminal ? "" : fifo("stderr"),
      terminal: options.terminal,
    };
    const detached = new ProcessIO(io, directory);
    // Shims wait for a reader before they go on; this one reads nothing.
    for (const path of [io.stdin, io.stdout, io.stderr]) {
      if (path !== "") detached.#held.push(open(path, O_RDWR | O_NONBLOCK));
    }
    return detached;
  }

  /** Makes the FIFOs and begins to copy what comes out of them. */
  static attach(id: string, options: { terminal: boolean; directory?: string }): ProcessIO {
    const made = ProcessIO.detached(id, options);
    made.#open();
    made.release();
    return made;
  }

  /** Takes up the FIFOs of a process that was left detached. */
  static existing(io: TaskIO): ProcessIO {
    const taken = new ProcessIO(io, undefined);
    taken.#open();
    return taken;
  }

  #open(): void {
    const { stdin, stdout, stderr } = this.io;
    if (stdout !== "") this.#outputs.push(copyOut(stdout, process.stdout));
    if (stderr !== "" && stderr !== stdout) this.#outputs.push(copyOut(stderr, process.stderr));
    if (stdin === "") return;
    // Read-write, so that opening does not wait for the shim.
    this.#stdin = open(stdin, O_RDWR | O_NONBLOCK);
    setNonBlocking(this.#stdin, false);
  }

  /** Takes this terminal over: input, window size and signals go to the process. Call it when the process runs. */
  connect(tasks: Tasks, ns: string, id: string, execId = ""): void {
    const quiet = (call: Promise<void>) => void call.catch(() => {});
    if (this.io.terminal && process.stdin.isTTY) {
      process.stdin.setRawMode(true);
      this.#undo.push(() => process.stdin.setRawMode(false));
      const resize = () =>
        quiet(tasks.resizePty(ns, id, execId, process.stdout.columns ?? 80, process.stdout.rows ?? 24));
      process.on("SIGWINCH", resize);
      this.#undo.push(() => process.off("SIGWINCH", resize));
      resize();
    } else {
      for (const name of FORWARDED) {
        const forward = () =>
          quiet(tasks.kill(ns, id, constants.signals[name], execId === "" ? {} : { execId }));
        process.on(name, forward);
        this.#undo.push(() => process.off(name, forward));
      }
    }
    if (this.#stdin) void this.#copyIn(tasks, ns, id, execId).catch(() => {});
  }

  async #copyIn(tasks: Tasks, ns: string, id: string, execId: string): Promise<void> {
    const reader = Bun.stdin.stream().getReader();
    // A read that still waits for a key must not keep this program when the process has ended.
    this.#undo.push(() => void reader.cancel().catch(() => {}));
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (let at = 0; at < value.length && this.#stdin; ) {
        at += (await writeAll(this.#stdin.number, value, at)) as unknown as number;
      }
    }
    if (!this.#stdin) return;
    this.#stdin?.close();
    this.#stdin = undefined;
    // The shim holds the FIFO open as well, so that a client that comes and goes ends nothing.
    await tasks.closeIO(ns, id, execId, true);
  }

  /** The process has ended (or was never made): waits for its last words and takes everything away. */
  async finish(): Promise<void> {
    for (const undo of this.#undo.splice(0)) undo();
    for (const { keeper } of this.#outputs) keeper.close();
    await Promise.all(this.#outputs.map(({ copied }) => copied));
    this.#stdin?.close();
    this.#stdin = undefined;
    this.release();
    this.leave();
  }

  /** The process has its own ends now. */
  release(): void {
    for (const fd of this.#held.splice(0)) fd.close();
  }

  /** Takes the FIFOs away without waiting: for a process that goes on without us. */
  leave(): void {
    if (this.#directory) rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Takes away the FIFOs of a process that has ended, and their directory when it is empty then. Other files stay. */
export function removeFifos({ stdin, stdout, stderr }: Pick<TaskIO, "stdin" | "stdout" | "stderr">): void {
  const fifos = [...new Set([stdin, stdout, stderr])].filter(
    (path) => path.startsWith("/") && statSync(path, { throwIfNoEntry: false })?.isFIFO(),
  );
  for (const path of fifos) rmSync(path, { force: true });
  for (const directory of new Set(fifos.map((path) => dirname(path)))) {
    try {
      rmdirSync(directory);
    } catch {
      // Something else is in it.
    }
  }
}
