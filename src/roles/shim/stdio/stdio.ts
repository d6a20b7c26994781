// A process's three streams as one thing.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { Fd } from "../../../../ffi/fd.ts";
import { setNonBlocking } from "../../../../ffi/fifo.ts";
import { duplicate } from "../../../../ffi/file.ts";
import { syscall } from "../../../../ffi/libc.ts";
import { setWindowSize } from "../../../../ffi/pty.ts";
import { accept, listenUnix, MAX_SOCKET_PATH, receiveFds } from "../../../../ffi/socket.ts";
import type { JsonLog } from "../../../store/jsonlog/writer.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import type { StdioFds } from "../oci.ts";
import { held } from "./held.ts";
import { Input, type SavedInput } from "./input.ts";
import { Outlet } from "./outlet.ts";
import { DirectOutput, NO_OUTPUT, type Output, RelayedOutput, type SavedOutput } from "./output.ts";

export interface StdioPaths {
  stdin: string;
  stdout: string;
  stderr: string;
  terminal: boolean;
}

export interface StdioOptions extends StdioPaths {
  /** Give the process the FIFOs themselves where that is possible. */
  direct: boolean;
  jsonLog?: JsonLog;
  /** Where a console socket may be made, and its name there. */
  directory: string;
  socketName: string;
  owner: { uid: number; gid: number };
}

/** A process's streams in another process's hands. */
export interface SavedStdio {
  input?: SavedInput;
  stdout: SavedOutput;
  stderr: SavedOutput;
  /** The pty master, for writing. */
  master?: number;
  logged: boolean;
}

function restored(saved: SavedOutput, jsonLog: JsonLog | undefined): Output {
  if (saved.kind === "none") return NO_OUTPUT;
  if (saved.kind === "direct") return new DirectOutput(saved.path, saved);
  return new RelayedOutput(saved.path, saved.stream, jsonLog, saved);
}

function output(path: string, stream: "stdout" | "stderr", options: StdioOptions): Output {
  if (/^(binary|binary-v2):\/\//.test(path))
    throw new ServiceError("Unimplemented", `log URI ${path}: log drivers as binaries are not supported`);
  const plain = path.startsWith("fifo://") ? path.slice("fifo://".length) : path;
  if (options.jsonLog) return new RelayedOutput(plain, stream, options.jsonLog, "pipe");
  if (plain === "") return NO_OUTPUT;
  if (options.direct || plain.startsWith("file://")) return new DirectOutput(plain);
  return new RelayedOutput(plain, stream, undefined, "pipe");
}

/** The streams of one process, with or without a terminal. */
export class Stdio {
  #input: Input | undefined;
  #stdout: Output = NO_OUTPUT;
  #stderr: Output = NO_OUTPUT;
  #terminal: RelayedOutput | undefined;
  #listener: Fd | undefined;
  #socket: string | undefined;
  #master: Outlet | undefined;

  /** Opens everything that the process needs before it exists, or goes on with `saved`. Throws with nothing left open. */
  constructor(
    private readonly options: StdioOptions,
    saved?: SavedStdio,
  ) {
    if (saved) {
      this.#restore(saved);
      return;
    }
    try {
      if (options.stdin !== "") this.#input = new Input(options.stdin);
      if (options.terminal) {
        this.#socket = join(options.directory, options.socketName);
        // The runtime runs in the same directory, so a path that is too long for a socket is given as a relative one.
        if (this.#socket.length > MAX_SOCKET_PATH) this.#socket = options.socketName;
        rmSync(this.#socket, { force: true });
        this.#listener = listenUnix(this.#socket);
        this.#terminal = new RelayedOutput(options.stdout, "stdout", options.jsonLog, "terminal");
        this.#stdout = this.#terminal;
      } else {
        this.#stdout = output(options.stdout, "stdout", options);
        this.#stderr = output(options.stderr, "stderr", options);
        this.#own(options.owner);
      }
    } catch (error) {
      void this.close(0);
      throw error;
    }
  }

  #restore({ input, stdout, stderr, master, logged }: SavedStdio): void {
    const jsonLog = logged ? this.options.jsonLog : undefined;
    this.#stdout = restored(stdout, jsonLog);
    this.#stderr = restored(stderr, jsonLog);
    if (input) this.#input = new Input(this.options.stdin, input);
    if (master === undefined) return;
    this.#master = new Outlet(new Fd(master, "terminal"));
    void this.#input?.copyTo(this.#master);
  }

  /** For another process to go on with; undefined while bytes are on their way. */
  save(): SavedStdio | undefined {
    if (this.#listener && !this.#listener.closed) return undefined;
    if (this.#master && !this.#master.fd.closed && !this.#master.idle) return undefined;
    const stdout = this.#stdout.save();
    const stderr = this.#stderr.save();
    const input = this.#input?.save();
    if (!stdout || !stderr || (this.#input && !input)) return undefined;
    const logged = this.options.jsonLog !== undefined;
    return { stdout, stderr, logged, ...(input && { input }), ...held("master", this.#master?.fd) };
  }

  /** With remapped ids the container's root must own its streams, or it could not open /dev/stdout again. */
  #own({ uid, gid }: { uid: number; gid: number }): void {
    if (uid === 0 && gid === 0) return;
    for (const { child } of [this.#input, this.#stdout, this.#stderr].filter((each) => each !== undefined))
      if (child) syscall("fchown", child.path, child.number, uid, gid);
  }

  /** `--console-socket` for the runtime; undefined without a terminal. */
  get consoleSocket(): string | undefined {
    return this.#socket;
  }

  get fds(): StdioFds {
    if (this.options.terminal) return ["ignore", "ignore", "ignore"];
    return [
      this.#input?.child?.number ?? "ignore",
      this.#stdout.child?.number ?? "ignore",
      this.#stderr.child?.number ?? "ignore",
    ];
  }

  /** The runtime has returned with success: the process holds its ends. Throws when a terminal was promised and did not come. */
  started(): void {
    if (!this.#listener) {
      this.#input?.started();
      this.#stdout.started();
      this.#stderr.started();
      return;
    }
    using connection = accept(this.#listener);
    const [master, ...more] = (connection && receiveFds(connection)?.fds) ?? [];
    this.#closeListener();
    for (const each of more) each.close();
    if (!master) throw new Error("the runtime sent no terminal over the console socket");
    setNonBlocking(master, true);
    this.#master = new Outlet(duplicate(master));
    this.#terminal?.begin(master);
    void this.#input?.copyTo(this.#master);
  }

  #closeListener(): void {
    this.#listener?.close();
    if (this.#socket) rmSync(this.#socket, { force: true });
  }

  /** No terminal, or one not there yet: nothing, as the runc shim does. */
  resize(columns: number, rows: number): void {
    if (this.#master && !this.#master.fd.closed) setWindowSize(this.#master.fd, columns, rows);
  }

  closeStdin(): void {
    this.#input?.closeKeeper();
  }

  reconnect(): void {
    this.#stdout.reconnect();
    this.#stderr.reconnect();
  }

  /** The process has ended. Resolves when the log has all that it wrote, but waits no longer than `ms`. */
  async exited(ms: number): Promise<void> {
    this.#input?.close();
    this.#master?.close();
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      Promise.all([this.#stdout.exited(), this.#stderr.exited()]),
      new Promise((resolve) => (timer = setTimeout(resolve, ms))),
    ]);
    clearTimeout(timer);
  }

  /** Closes everything; a slow reader has `ms` to take what is left. */
  async close(ms: number): Promise<void> {
    this.#closeListener();
    this.#input?.close();
    await Promise.all([this.#stdout.close(ms), this.#stderr.close(ms)]);
    this.#master?.close();
  }
}
