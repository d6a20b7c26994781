// Our own runtime, in this process: a verb costs what it does, not a start of the program. What wants a process of its own
// (hooks, a paused container, rare things) still gets one.
import { removeFile, writeText } from "../../../../ffi/path.ts";
import { log } from "../../../observe/log.ts";
import type { CreateCall, ResidentRuntime, ResidentRuntimeFor } from "../../../wire/oci/resident.ts";
import type { Exits } from "../exits.ts";
import { type NamedExecCall, type OciOptions, type OciRuntime, RuntimeError } from "./runtime.ts";
import { SpawnedRuntime } from "./spawned.ts";

/** Loads the runtime. A shim that has nothing to start does without. */
export type LoadResident = () => Promise<ResidentRuntimeFor>;

class OwnRuntime implements OciRuntime {
  #spawned: SpawnedRuntime;
  #resident: Promise<ResidentRuntime> | undefined;

  constructor(
    private readonly options: OciOptions,
    private readonly exits: Exits,
    private readonly load: LoadResident,
  ) {
    this.#spawned = new SpawnedRuntime(options, exits);
  }

  get #log(): string {
    return `${this.options.bundle}/log.json`;
  }

  /** A line of the log that the command line would have left. */
  #say(level: "warning" | "error", msg: string): void {
    const line = JSON.stringify({ level, msg, time: new Date().toISOString().replace(/\.\d+Z$/, "Z") });
    try {
      writeText(this.#log, `${line}\n`, { append: true });
    } catch (error) {
      log("warning", "writing the runtime's log failed", { error });
    }
  }

  #here(): Promise<ResidentRuntime> {
    this.#resident ??= this.load().then((runtimeFor) =>
      runtimeFor(this.options.root, (message) => this.#say("warning", message)),
    );
    return this.#resident;
  }

  /** Runs a verb here, or by the command line when it wants that. */
  async #verb<T>(
    work: (here: ResidentRuntime) => Promise<T> | undefined,
    otherwise: () => Promise<T>,
  ): Promise<T> {
    const here = await this.#here();
    const done = await this.exits.during(async () => {
      try {
        const working = work(here);
        return working && { result: await working };
      } catch (error) {
        const { message } = error as Error;
        this.#say("error", message);
        throw new RuntimeError(message, { cause: error });
      }
    });
    return done ? done.result : otherwise();
  }

  create(call: CreateCall): Promise<number> {
    removeFile(this.#log);
    return this.#verb(
      (here) => here.create(call),
      () => this.#spawned.create(call),
    );
  }

  start(id: string): Promise<void> {
    removeFile(this.#log);
    return this.#verb(
      (here) => here.start(id),
      () => this.#spawned.start(id),
    );
  }

  exec(call: NamedExecCall): Promise<number> {
    removeFile(this.#log);
    return this.#verb(
      (here) => here.exec(call),
      () => this.#spawned.exec(call),
    );
  }

  delete(id: string, force: boolean): Promise<void> {
    if (force) return this.#spawned.delete(id, force);
    return this.#verb(
      (here) => here.delete(id),
      () => this.#spawned.delete(id, force),
    );
  }

  // What waits for the kernel for long, or is asked seldom.
  kill(id: string, signal: number, all: boolean): Promise<void> {
    return this.#spawned.kill(id, signal, all);
  }

  pause(id: string): Promise<void> {
    return this.#spawned.pause(id);
  }

  resume(id: string): Promise<void> {
    return this.#spawned.resume(id);
  }

  update(id: string, resources: Uint8Array): Promise<void> {
    return this.#spawned.update(id, resources);
  }
}

/** The runtime that a container's options name. `load` undefined: there is none to be had in this process. */
export function runtimeOf(options: OciOptions, exits: Exits, load: LoadResident | undefined): OciRuntime {
  return load && options.binary === "" && !options.systemdCgroup
    ? new OwnRuntime(options, exits, load)
    : new SpawnedRuntime(options, exits);
}
