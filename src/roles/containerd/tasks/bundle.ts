// A task's bundle: the directory that the shim runs in. Real containerd's place is <state>/io.containerd.runtime.v2.task/<ns>/<id>;
// a bundle elsewhere is linked from there, so that a restart finds it.
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { isErrno } from "../../../../ffi/errno.ts";
import { mkfifo } from "../../../../ffi/fifo.ts";
import { sweepTemporaries, writeAtomic } from "../../../store/atomic.ts";

/** How to reach the shim again after a restart. */
export interface Bootstrap {
  version: number;
  address: string;
  protocol: string;
}

export const taskDirectory = (state: string) => join(state, "io.containerd.runtime.v2.task");

/** The gid that the container's root has on the host; undefined without a user namespace. */
function rootGid(spec: Uint8Array): number | undefined {
  try {
    const { linux } = JSON.parse(new TextDecoder().decode(spec)) as {
      linux?: { gidMappings?: { containerID: number; hostID: number }[] };
    };
    return linux?.gidMappings?.find(({ containerID }) => containerID === 0)?.hostID;
  } catch {
    return undefined;
  }
}

/** The files of a task; what else lies in the directory (the engine's FIFOs) belongs to others. */
const FILES = [
  "config.json",
  "log.json",
  "log",
  "address",
  "bootstrap.json",
  "shim-runtime",
  "shim-binary-path",
  "shim.pid",
  "init.pid",
  "options.json",
  "runtime",
  "exit.json",
  "update.json",
  "init-pty",
  "work",
];

export class Bundle {
  readonly #link: string;

  constructor(
    readonly path: string,
    state: string,
    namespace: string,
    id: string,
  ) {
    this.#link = join(taskDirectory(state), namespace, id);
  }

  /** Makes the directory with config.json, rootfs and the FIFO for the shim's log. */
  create(spec: Uint8Array): void {
    const own = this.path === this.#link;
    mkdirSync(dirname(this.#link), { recursive: true, mode: 0o711 });
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    if (!own) {
      rmSync(this.#link, { force: true });
      symlinkSync(this.path, this.#link);
    } else {
      const gid = rootGid(spec);
      if (gid !== undefined && gid !== 0) {
        chownSync(this.path, -1, gid);
        chmodSync(this.path, 0o710);
      }
    }
    mkdirSync(join(this.path, "rootfs"), { recursive: true, mode: 0o711 });
    writeAtomic(join(this.path, "config.json"), spec, { mode: 0o600, durable: false });
    rmSync(this.logPath, { force: true });
    mkfifo(this.logPath, 0o700);
  }

  get logPath(): string {
    return join(this.path, "log");
  }

  /** Before a shim is started: whose `delete` to call when nobody lives to see its answer. */
  intend(runtime: string): void {
    writeAtomic(join(this.path, "shim-runtime"), runtime, { durable: false });
  }

  /** What `intend` wrote; undefined when no shim was ever started. */
  intended(): string | undefined {
    try {
      return readFileSync(join(this.path, "shim-runtime"), "utf8");
    } catch {
      return undefined;
    }
  }

  save(bootstrap: Bootstrap): void {
    writeAtomic(join(this.path, "address"), bootstrap.address, { durable: false });
    writeAtomic(join(this.path, "bootstrap.json"), JSON.stringify(bootstrap), { durable: false });
  }

  /** What `save` wrote; undefined when it was never reached, or is damaged. */
  saved(): { bootstrap: Bootstrap; runtime: string } | undefined {
    try {
      const bootstrap = JSON.parse(readFileSync(join(this.path, "bootstrap.json"), "utf8")) as Bootstrap;
      const runtime = this.intended();
      return runtime !== undefined && typeof bootstrap.address === "string"
        ? { bootstrap, runtime }
        : undefined;
    } catch {
      return undefined;
    }
  }

  get exists(): boolean {
    return existsSync(this.path);
  }

  /** Removes the task's files. A root file system that is still mounted is left alone, with an error. */
  remove(): void {
    try {
      // rmdir, never recursive: behind a mount lies the container's data.
      rmdirSync(join(this.path, "rootfs"));
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTEMPTY")) throw error;
      // Files of the bundle's maker: a rootfs that was not mounted but filled.
    }
    for (const name of FILES) rmSync(join(this.path, name), { recursive: true, force: true });
    sweepTemporaries(this.path);
    try {
      rmdirSync(this.path);
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTEMPTY")) throw error;
    }
    if (this.path !== this.#link) rmSync(this.#link, { force: true });
  }
}

/** Every bundle that a former run of this containerd left: [namespace, id, path]. */
export function leftBundles(state: string): [namespace: string, id: string, path: string][] {
  const found: [string, string, string][] = [];
  const names = (directory: string) => {
    try {
      return readdirSync(directory);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
      throw error;
    }
  };
  const top = taskDirectory(state);
  for (const namespace of names(top))
    for (const id of names(join(top, namespace))) {
      const link = join(top, namespace, id);
      found.push([namespace, id, lstatSync(link).isSymbolicLink() ? readlinkSync(link) : link]);
    }
  return found;
}
