// A process's three streams as one thing.

import { O_DIRECTORY, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { setNonBlocking } from "../../../../ffi/fifo.ts";
import { duplicate, open } from "../../../../ffi/file.ts";
import { syscall } from "../../../../ffi/libc.ts";
import { removeFile } from "../../../../ffi/path.ts";
import { setWindowSize } from "../../../../ffi/pty.ts";
import { accept, listenUnix, MAX_SOCKET_PATH, receiveFds } from "../../../../ffi/socket.ts";
import type { JsonLog } from "../../../store/jsonlog/writer.ts";
import type { StdioFds } from "../../../wire/oci/resident.ts";
import type { Exits } from "../exits.ts";
import { FifoGoal } from "./fifo-goal.ts";
import { held } from "./held.ts";
import { Input, type SavedInput } from "./input.ts";
import { LogBinary, type SavedLogBinary } from "./log-binary.ts";
import { type LogGoal, makeLogFile, parseLogUri } from "./log-uri.ts";
import { Outlet } from "./outlet.ts";
import { DirectOutput, GivenOutput, NO_OUTPUT, type Output, type SavedOutput } from "./output.ts";
import { RelayedOutput } from "./relayed-output.ts";

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
  /** What a log binary is told. */
  id: string;
  namespace: string;
  exits: Exits;
}

/** A process's streams in another process's hands. */
export interface SavedStdio {
  input?: SavedInput;
  stdout: SavedOutput;
  stderr: SavedOutput;
  /** The pty master, for writing. */
  master?: number;
  logged: boolean;
  logBinary?: SavedLogBinary;
}

function restored(saved: SavedOutput, jsonLog: JsonLog | undefined): Output {
  if (saved.kind === "none") return NO_OUTPUT;
  if (saved.kind === "direct") return new DirectOutput(saved.path, saved);
  return new RelayedOutput(saved.path, saved.stream, jsonLog, saved);
}

function output(path: string, stream: "stdout" | "stderr", options: StdioOptions): Output {
  if (options.jsonLog) return new RelayedOutput(path, stream, options.jsonLog, "pipe");
  if (path === "") return NO_OUTPUT;
  if (options.direct) return new DirectOutput(path);
  return new RelayedOutput(path, stream, undefined, "pipe");
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
  #logBinary: LogBinary | undefined;

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
      const goal = parseLogUri(options.stdout);
      if (goal.scheme === "binary")
        this.#logBinary = new LogBinary(options.exits, {
          ...goal,
          id: options.id,
          namespace: options.namespace,
        });
      if (goal.scheme === "file") makeLogFile(goal.path);
      if (options.terminal) {
        this.#listenForTerminal();
        this.#terminal = this.#terminalOutput(goal);
        this.#stdout = this.#terminal;
        return;
      }
      if (this.#logBinary) {
        this.#stdout = new GivenOutput(this.#logBinary.take("stdout"));
        this.#stderr = new GivenOutput(this.#logBinary.take("stderr"));
      } else {
        this.#stdout = output(goal.path, "stdout", options);
        // A file takes both.
        const stderr = goal.scheme === "file" ? goal.path : parseLogUri(options.stderr).path;
        this.#stderr = output(stderr, "stderr", options);
      }
      this.#own(options.owner);
    } catch (error) {
      void this.close(0);
      throw error;
    }
  }

  /** Makes the socket on which the runtime sends the terminal. */
  #listenForTerminal(): void {
    const { directory, socketName } = this.options;
    this.#socket = `${directory}/${socketName}`;
    removeFile(this.#socket);
    // By descriptor, however long the directory's path.
    using home = open(directory, O_PATH | O_DIRECTORY);
    this.#listener = listenUnix(`/proc/self/fd/${home.number}/${socketName}`);
  }

  #terminalOutput(goal: LogGoal): RelayedOutput {
    const { stdout, jsonLog } = this.options;
    if (!this.#logBinary) return new RelayedOutput(goal.path, "stdout", jsonLog, "terminal");
    const pipe = this.#logBinary.take("stdout");
    setNonBlocking(pipe, true);
    this.#logBinary.take("stderr").close();
    return new RelayedOutput(
      stdout,
      "stdout",
      jsonLog,
      "terminal",
      new FifoGoal(stdout, true, { outlet: pipe.release() }),
    );
  }

  #restore({ input, stdout, stderr, master, logged, logBinary }: SavedStdio): void {
    if (logBinary) this.#logBinary = new LogBinary(this.options.exits, logBinary);
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
    const logBinary = this.#logBinary?.save();
    if (!stdout || !stderr || (this.#input && !input) || (this.#logBinary && !logBinary)) return undefined;
    const logged = this.options.jsonLog !== undefined;
    return {
      ...{ stdout, stderr, logged },
      ...(input && { input }),
      ...(logBinary && { logBinary }),
      ...held("master", this.#master?.fd),
    };
  }

  /** With remapped ids the container's root must own its streams, or it could not open /dev/stdout again. */
  #own({ uid, gid }: { uid: number; gid: number }): void {
    if (uid === 0 && gid === 0) return;
    for (const { child } of [this.#input, this.#stdout, this.#stderr].filter((each) => each !== undefined))
      if (child) syscall("fchown", child.path, child.number, uid, gid);
  }

  /** Resolves once whoever reads the streams does so. */
  async ready(): Promise<void> {
    await this.#logBinary?.ready();
  }

  /** `--console-socket` for the runtime, which runs in the directory of the streams; undefined without a terminal. */
  get consoleSocket(): string | undefined {
    if (!this.#socket || Buffer.byteLength(this.#socket) <= MAX_SOCKET_PATH) return this.#socket;
    return this.options.socketName;
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
    if (this.#socket) removeFile(this.#socket);
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
    await this.#logBinary?.close();
  }
}
