// NOTIFY_SOCKET, as runc has it: the caller is a unit of systemd, and the container's program is who knows when it is ready. It gets
// a socket of its own at /run/notify, and whoever starts it passes on that one word, so that nothing else of the container
// reaches the service manager. man 3 sd_notify
import { AT_FDCWD } from "../../../../ffi/constants/fcntl.ts";
import { bindUnixDatagram, connectUnixDatagram } from "../../../../ffi/datagram.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { fchmodat, read, write } from "../../../../ffi/file.ts";
import { exists, makeDirectory, removeAll } from "../../../../ffi/path.ts";
import { pollReadable } from "../../../../ffi/poll.ts";
import { isAlive } from "../../../../ffi/process.ts";
import { sendFd } from "../../../../ffi/socket.ts";
import { pipe } from "../../../launcher/spawn.ts";
import type { Config } from "../../../spec/oci/runtime.ts";
import { RuntimeError } from "../errors.ts";
import type { ContainerState } from "./state.ts";

const INSIDE = "/run/notify";
const NAME = "notify.sock";
/** How often a container that says nothing is looked after. */
const LOOK_MS = 100;
/** As long as systemd's own clients wait for it. man 3 sd_notify_barrier */
const BARRIER_MS = 30_000;

/** The directory that a container finds at /run/notify. */
export class Notify {
  readonly #directory: string;

  /** `host`: the service manager's socket; `directory`: the container's, an absolute path. */
  constructor(
    readonly host: string,
    directory: string,
  ) {
    this.#directory = `${directory}/notify`;
  }

  isSource(path: string): boolean {
    return path === this.#directory;
  }

  /** Tells the container's program of it. */
  addTo(config: Config): void {
    const options = ["bind", "nosuid", "noexec", "nodev", "ro"];
    config.mounts = [
      ...(config.mounts ?? []),
      { destination: INSIDE, type: "bind", source: this.#directory, options },
    ];
    const { process } = config;
    if (process) process.env = [...(process.env ?? []), `NOTIFY_SOCKET=${INSIDE}/${NAME}`];
  }

  make(): void {
    makeDirectory(this.#directory, 0o755);
  }

  /** Listens, before the container's program begins; undefined for a container that was created without. Throws SyscallError. */
  listen(): NotifyListener | undefined {
    if (!exists(this.#directory)) return undefined;
    const path = `${this.#directory}/${NAME}`;
    removeAll(path);
    const socket = bindUnixDatagram(this.#directory, NAME);
    fchmodat(AT_FDCWD, path, 0o777);
    return new NotifyListener(socket, this.host);
  }
}

export class NotifyListener implements Disposable {
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly socket: Fd,
    private readonly host: string,
  ) {}

  /** Waits until the container is ready or has ended; blocks. Its first process is then the one to watch. */
  follow({ init_process_pid: pid, init_process_start: start }: ContainerState): void {
    while (isAlive(pid, start)) {
      const ready = this.#ready(LOOK_MS);
      if (!ready) continue;
      this.#tell(ready, `MAINPID=${pid}`);
      return;
    }
  }

  /** Passes it on while this process goes on, which stays the one to watch. */
  relay(): void {
    this.#timer = setInterval(() => {
      const ready = this.#ready(0);
      if (!ready) return;
      clearInterval(this.#timer);
      this.#tell(ready);
    }, LOOK_MS);
  }

  /** The line of the next message that says so. */
  #ready(milliseconds: number): string | undefined {
    if (!pollReadable(this.socket.number, milliseconds)) return undefined;
    const buffer = new Uint8Array(4096);
    const text = new TextDecoder().decode(buffer.subarray(0, read(this.socket, buffer)));
    return text.split("\n").find((line) => line.startsWith("READY="));
  }

  #tell(...lines: string[]): void {
    using host = connectUnixDatagram(this.host);
    for (const line of lines) write(host, new TextEncoder().encode(`${line}\n`));
    // Who has sent it must not be gone before it was read, or it could not be told whose unit this is.
    const { readEnd, writeEnd } = pipe("barrier");
    using end = readEnd;
    try {
      sendFd(host, writeEnd, "BARRIER=1");
    } finally {
      writeEnd.close();
    }
    if (!pollReadable(end.number, BARRIER_MS))
      throw new RuntimeError(`the service manager at ${this.host} did not answer`);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.socket.close();
  }
}
