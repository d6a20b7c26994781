// The one container of this shim: its init process, its execs, and what each request does to them.
import { makeDirectories, removeFile } from "../../../ffi/path.ts";
import { log } from "../../observe/log.ts";
import { traced } from "../../observe/trace.ts";
import { JsonLog, type SavedJsonLog } from "../../store/jsonlog/writer.ts";
import { idMapsOf } from "../../wire/containerd/id-maps.ts";
import { performMounts, undoMounts } from "../../wire/containerd/mounting.ts";
import { type AnyValue, type Mount, ServiceError } from "../../wire/containerd/services.ts";
import { timestamp } from "../../wire/ttrpc/messages/well-known.ts";
import { type Cgroup, cgroupOf } from "./cgroup.ts";
import { Execs, type SavedExec } from "./execs.ts";
import { writeExitRecord } from "./exit-record.ts";
import type { Exit, Exits } from "./exits.ts";
import { signalInit, type Target } from "./kill.ts";
import { EXEC, type ExecState, INIT, type InitEvent, type InitState, next } from "./lifecycle.ts";
import { type LoadResident, runtimeOf } from "./oci/own.ts";
import { type OciRuntime, RuntimeError } from "./oci/runtime.ts";
import { OomCount } from "./oom.ts";
import { CLOSE_WAIT, LOG_WAIT, type SavedProcess, ShimProcess } from "./process.ts";
import type { Publisher } from "./publisher.ts";
import { said } from "./said.ts";
import { saveOptions } from "./saved-options.ts";
import { openJsonLog, readSpec } from "./spec.ts";
import { type SavedStdio, Stdio, type StdioOptions, type StdioPaths } from "./stdio/stdio.ts";

export interface ContainerOptions {
  id: string;
  namespace: string;
  bundle: string;
  binary: string;
  root: string;
  systemdCgroup: boolean;
  noPivotRoot: boolean;
  noNewKeyring: boolean;
  /** Who shall own the streams: the container's root, where that is not the host's. */
  owner: { uid: number; gid: number };
}

/** A container in another shim process's hands. */
export interface SavedContainer {
  options: ContainerOptions;
  init: SavedProcess<InitState>;
  execs: SavedExec[];
  ownPidNamespace: boolean;
  cgroup?: Cgroup;
  oomKills: number;
  jsonLog?: SavedJsonLog;
}

/** What a shim's containers share. */
export interface Surroundings {
  exits: Exits;
  publisher: Publisher;
  /** Loads our own runtime into this process. */
  resident: LoadResident | undefined;
}

const SIGKILL = 9;

export class Container {
  readonly id: string;
  readonly bundle: string;
  readonly init: ShimProcess<InitState>;
  readonly execs: Execs;
  private readonly exits: Exits;
  private readonly publisher: Publisher;
  #oom = new OomCount();
  #runtime: OciRuntime;
  #jsonLog: JsonLog | undefined;
  #ownPidNamespace = true;
  #pausing = false;
  #cgroup: Cgroup | undefined;

  constructor(
    private readonly options: ContainerOptions,
    paths: StdioPaths,
    around: Surroundings,
    private readonly onCreated: (init: { pid: number }) => void,
    init = new ShimProcess<InitState>("", paths, "created"),
  ) {
    this.id = options.id;
    this.bundle = options.bundle;
    this.init = init;
    const { exits, publisher } = around;
    this.exits = exits;
    this.publisher = publisher;
    this.#runtime = runtimeOf(options, exits, around.resident);
    this.execs = new Execs({ ...options, runtime: this.#runtime, exits, publisher });
  }

  /** For another process to go on with; undefined while something is being done to it or its bytes are on their way. */
  save(): SavedContainer | undefined {
    const init = this.init.save();
    if (!init) return undefined;
    const execs = this.execs.save();
    if (!execs) return undefined;
    return {
      ...{ options: this.options, init, execs },
      ...{ ownPidNamespace: this.#ownPidNamespace, oomKills: this.#oom.told },
      ...(this.#cgroup && { cgroup: this.#cgroup }),
      ...(this.#jsonLog && { jsonLog: this.#jsonLog.save() }),
    };
  }

  /** Goes on with a container that another process kept. Ends are looked for afterwards, by `exits.collect`. */
  static restore(saved: SavedContainer, around: Surroundings): Container {
    const { options, init, execs } = saved;
    const process = ShimProcess.restore(init);
    const container = new Container(options, init.paths, around, () => {}, process);
    container.#ownPidNamespace = saved.ownPidNamespace;
    container.#cgroup = saved.cgroup;
    container.#oom = new OomCount(saved.oomKills);
    if (saved.jsonLog) container.#jsonLog = JsonLog.restore(saved.jsonLog);
    if (init.stdio) process.stdio = container.#initStdio(init.stdio);
    if (!init.exit) around.exits.claim(init.pid, (exit) => void container.#initEnded(exit));
    container.execs.restore(execs);
    return container;
  }

  #initStdio(saved?: SavedStdio): Stdio {
    const options: StdioOptions = {
      ...this.init.paths,
      direct: this.#ownPidNamespace,
      jsonLog: this.#jsonLog,
      directory: this.bundle,
      socketName: "init-pty",
      owner: this.options.owner,
      id: this.id,
      namespace: this.options.namespace,
      exits: this.exits,
    };
    return new Stdio(options, saved);
  }

  get #rootfs(): string {
    return `${this.bundle}/rootfs`;
  }

  /** Task.Create: mounts, streams, `runtime create`. On an error nothing is left. */
  async create(rootfs: readonly Mount[]): Promise<void> {
    const spec = readSpec(this.bundle);
    this.#ownPidNamespace = spec.ownPidNamespace;
    removeFile(`${this.bundle}/exit.json`);
    saveOptions(this.bundle, this.options);
    const mapped = rootfs.some(({ options }) => idMapsOf(options));
    const layers = mapped ? await import("../../wire/containerd/idmapped-layers.ts") : undefined;
    performMounts(rootfs, this.#rootfs, layers?.mountIdmapped);
    try {
      makeDirectories(this.options.root, 0o711);
      this.#jsonLog = openJsonLog(spec);
      const { init } = this;
      init.stdio = this.#initStdio();
      const pidFile = `${this.bundle}/init.pid`;
      removeFile(pidFile);
      await init.stdio.ready();
      await init.exclusively(() =>
        this.exits.during(async () => {
          const { noPivotRoot: noPivot, noNewKeyring } = this.options;
          const { fds: stdio, consoleSocket } = init.stdio!;
          init.pid = await traced("shim", "runtime create", this.id, () =>
            this.#runtime.create({
              ...{ id: this.id, bundle: this.bundle, pidFile, stdio, consoleSocket, noPivot, noNewKeyring },
            }),
          );
          this.#cgroup = cgroupOf(init.pid);
          init.stdio!.started();
          // Before the exit is claimed: TaskCreate comes before TaskExit, however short the life.
          this.onCreated(init);
          this.exits.claim(init.pid, (exit) => void this.#initEnded(exit));
        }),
      );
    } catch (error) {
      if (this.init.pid > 0) await this.#runtime.delete(this.id, true).catch(() => {});
      await this.init.stdio?.close(0);
      this.#jsonLog?.close();
      undoMounts(this.#rootfs);
      throw error instanceof RuntimeError ? said("OCI runtime create failed", error) : error;
    }
  }

  /** The exec of that id, or the init process for "". NotFound. */
  process(execId: string): ShimProcess<InitState> | ShimProcess<ExecState> {
    return execId === "" ? this.init : this.execs.of(execId);
  }

  get pausing(): boolean {
    return this.#pausing;
  }

  /** A request in the init process's mailbox: refused by the table, or done and the next state taken. */
  #request<T>(event: InitEvent, work: () => Promise<T>): Promise<T> {
    return this.init.exclusively(async () => {
      const after = next(INIT, this.init.state, event);
      const result = await work();
      this.init.state = after;
      return result;
    });
  }

  async start(execId: string): Promise<number> {
    if (execId !== "")
      return this.execs.start(execId, () => {
        next(INIT, this.init.state, "exec");
      });
    await this.#request("start", async () => {
      try {
        await traced("shim", "runtime start", this.id, () => this.#runtime.start(this.id));
      } catch (error) {
        throw said("OCI runtime start failed", error);
      }
      this.publisher.publish("/tasks/start", { containerId: this.id, pid: this.init.pid });
    });
    return this.init.pid;
  }

  /** Task.Exec: remembers a process to be started. */
  async addExec(execId: string, paths: StdioPaths, spec: AnyValue): Promise<void> {
    await this.#request("exec", async () => this.execs.add(execId, paths, spec));
  }

  #initEnded(exit: Exit): Promise<void> {
    const { init } = this;
    return init.exclusively(async () => {
      init.state = next(INIT, init.state, "exit");
      try {
        writeExitRecord(this.bundle, { pid: init.pid, ...exit });
      } catch (error) {
        // A full disk: the exit is told all the same, and lost only if the shim dies before it was asked.
        log("error", "recording the exit failed", { id: this.id, error });
      }
      // Without a pid namespace of its own the container's other processes outlive init, and hold its streams.
      if (!this.#ownPidNamespace) await this.#runtime.kill(this.id, SIGKILL, true).catch(() => {});
      this.lookForOom();
      await init.stdio?.exited(LOG_WAIT);
      this.publisher.publish("/tasks/exit", {
        containerId: this.id,
        id: this.id,
        pid: init.pid,
        exitStatus: exit.exitStatus,
        exitedAt: timestamp(exit.exitedAt),
      });
      init.settle(exit);
    });
  }

  /** Tells of processes that the kernel killed for lack of memory since the last look. */
  lookForOom(): void {
    if (!this.#cgroup || this.init.exit) return;
    if (this.#oom.look(this.#cgroup)) this.publisher.publish("/tasks/oom", { containerId: this.id });
  }

  /** The cgroup of a container that lives. */
  get watched(): Cgroup | undefined {
    return this.init.exit ? undefined : this.#cgroup;
  }

  /** The container's cgroup. FailedPrecondition when it has none that could be found. */
  get cgroup(): Cgroup {
    if (!this.#cgroup) throw new ServiceError("FailedPrecondition", "cgroup does not exist");
    return this.#cgroup;
  }

  /** Task.Kill. NotFound when the process has finished. */
  async kill(execId: string, signal: number, all: boolean): Promise<void> {
    if (execId !== "") {
      this.execs.kill(execId, signal);
      return;
    }
    if (!all || this.init.state === "deleted") next(INIT, this.init.state, "kill");
    try {
      const own = this.options.binary === "" && !all;
      if (own && signalInit(this.#target, signal)) return;
      await this.#runtime.kill(this.id, signal, all);
    } catch (error) {
      if (error instanceof ServiceError) throw error;
      const { message } = error as Error;
      if (/os: process already finished|container not running|no such process/i.test(message))
        throw new ServiceError("NotFound", "process already finished", { cause: error });
      if (/does not exist/.test(message))
        throw new ServiceError("NotFound", "no such container", { cause: error });
      throw new ServiceError("Unknown", `unknown error after kill: ${message}`, { cause: error });
    }
  }

  get #target(): Target {
    const { pid } = this.init;
    return { pid, ownPids: this.#ownPidNamespace, cgroup: this.#cgroup, exits: this.exits };
  }

  async pause(): Promise<void> {
    await this.#request("pause", async () => {
      this.#pausing = true;
      try {
        await this.#runtime.pause(this.id);
      } catch (error) {
        throw said("OCI runtime pause failed", error);
      } finally {
        this.#pausing = false;
      }
      this.publisher.publish("/tasks/paused", { containerId: this.id });
    });
  }

  async resume(): Promise<void> {
    await this.#request("resume", async () => {
      try {
        await this.#runtime.resume(this.id);
      } catch (error) {
        throw said("OCI runtime resume failed", error);
      }
      this.publisher.publish("/tasks/resumed", { containerId: this.id });
    });
  }

  /** Task.Update: `resources` is the OCI LinuxResources as JSON. */
  async update(resources: Uint8Array): Promise<void> {
    await this.#request("update", async () => {
      try {
        await this.#runtime.update(this.id, resources);
      } catch (error) {
        throw said("OCI runtime update failed", error);
      }
    });
  }

  async checkpoint(): Promise<never> {
    next(INIT, this.init.state, "checkpoint");
    throw new ServiceError("Unimplemented", "checkpoint is not supported");
  }

  resize(execId: string, columns: number, rows: number): void {
    if (execId !== "") next(EXEC, this.execs.of(execId).state, "resize");
    this.process(execId).stdio?.resize(columns, rows);
  }

  closeIO(execId: string): void {
    this.process(execId).stdio?.closeStdin();
  }

  /** Task.Connect: a client is there; perhaps it reads the FIFOs again. */
  reconnect(): void {
    this.init.stdio?.reconnect();
    for (const exec of this.execs) exec.stdio?.reconnect();
  }

  /** Task.Delete of the container: the runtime's state and the mounts go. */
  async delete(): Promise<{ pid: number; exit: Exit | undefined }> {
    const { init } = this;
    const created = init.state === "created";
    await init.exclusively(async () => {
      next(INIT, init.state, "delete");
      try {
        // Only stopped containers may be deleted without force; a created one still has its process.
        await this.#runtime.delete(this.id, !init.exit);
      } catch (error) {
        if (!/does not exist/.test((error as Error).message)) throw said("OCI runtime delete failed", error);
      }
    });
    if (created) await init.exited;
    return init.exclusively(async () => {
      init.state = next(INIT, init.state, "delete");
      await init.stdio?.close(CLOSE_WAIT);
      this.#jsonLog?.close();
      undoMounts(this.#rootfs);
      const { pid, exit } = init;
      this.publisher.publish("/tasks/delete", {
        containerId: this.id,
        pid,
        exitStatus: exit?.exitStatus,
        exitedAt: exit && timestamp(exit.exitedAt),
      });
      return { pid, exit };
    });
  }
}
