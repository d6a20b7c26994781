// The further processes of a container: remembered by Exec, run by Start, told of when they end.
import { traced } from "../../observe/trace.ts";
import { type AnyValue, ServiceError } from "../../wire/containerd/services.ts";
import { timestamp } from "../../wire/ttrpc/messages/well-known.ts";
import type { Exit, Exits } from "./exits.ts";
import { checkIdentifier } from "./identifier.ts";
import { EXEC, type ExecState, next } from "./lifecycle.ts";
import type { OciRuntime } from "./oci/runtime.ts";
import { CLOSE_WAIT, type SavedProcess, ShimProcess } from "./process.ts";
import type { Publisher } from "./publisher.ts";
import { said } from "./said.ts";
import { type SavedStdio, Stdio, type StdioPaths } from "./stdio/stdio.ts";

export type SavedExec = SavedProcess<ExecState> & { spec: AnyValue };

/** What an exec needs of its container. */
export interface ExecsOptions {
  /** The container's id. */
  id: string;
  bundle: string;
  namespace: string;
  owner: { uid: number; gid: number };
  runtime: OciRuntime;
  exits: Exits;
  publisher: Publisher;
}

export class Execs {
  #all = new Map<string, ShimProcess<ExecState>>();
  #specs = new Map<string, AnyValue>();

  constructor(private readonly options: ExecsOptions) {}

  /** NotFound for an id that was never added, or was deleted. */
  of(execId: string): ShimProcess<ExecState> {
    const exec = this.#all.get(execId);
    if (!exec) throw new ServiceError("NotFound", `process does not exist ${execId}`);
    return exec;
  }

  [Symbol.iterator](): IterableIterator<ShimProcess<ExecState>> {
    return this.#all.values();
  }

  /** For another process to go on with; undefined while something is being done to one of them. */
  save(): SavedExec[] | undefined {
    const saved: SavedExec[] = [];
    for (const exec of this) {
      const one = exec.save();
      if (!one) return undefined;
      saved.push({ ...one, spec: this.#specs.get(exec.id)! });
    }
    return saved;
  }

  restore(saved: readonly SavedExec[]): void {
    for (const each of saved) {
      const exec = ShimProcess.restore(each);
      this.#all.set(exec.id, exec);
      this.#specs.set(exec.id, each.spec);
      if (each.stdio) exec.stdio = this.#stdio(exec, each.stdio);
      if (exec.state === "running")
        this.options.exits.claim(exec.pid, (exit) => void this.#ended(exec, exit));
    }
  }

  #stdio(exec: ShimProcess<ExecState>, saved?: SavedStdio): Stdio {
    const { bundle, owner, namespace, exits } = this.options;
    const options = {
      ...exec.paths,
      direct: false,
      directory: bundle,
      socketName: `${exec.id}-pty`.slice(-90),
      ...{ owner, namespace, exits, id: exec.id },
    };
    return new Stdio(options, saved);
  }

  /** Remembers a process to be started; its container lets it. AlreadyExists. */
  add(execId: string, paths: StdioPaths, spec: AnyValue): void {
    checkIdentifier(execId);
    if (this.#all.has(execId)) throw new ServiceError("AlreadyExists", `id ${execId}`);
    this.#all.set(execId, new ShimProcess<ExecState>(execId, paths, "created"));
    this.#specs.set(execId, spec);
    this.options.publisher.publish("/tasks/exec-added", { containerId: this.options.id, execId });
  }

  /** `mayStart` throws when the container's state forbids it. Resolves to the pid. */
  start(execId: string, mayStart: () => void): Promise<number> {
    const { id, exits, publisher } = this.options;
    const exec = this.of(execId);
    return exec.exclusively(() =>
      exits.during(async () => {
        const after = next(EXEC, exec.state, "start");
        mayStart();
        exec.stdio = this.#stdio(exec);
        try {
          await exec.stdio.ready();
          await this.#run(exec, exec.stdio);
          exec.stdio.started();
        } catch (error) {
          if (exec.pid > 0) process.kill(exec.pid, "SIGKILL");
          await exec.stdio.close(0);
          exec.state = "stopped";
          exec.settle({ exitStatus: 255, exitedAt: performance.timeOrigin + performance.now() });
          throw said("OCI runtime exec failed", error);
        }
        exec.state = after;
        publisher.publish("/tasks/exec-started", { containerId: id, execId, pid: exec.pid });
        exits.claim(exec.pid, (exit) => void this.#ended(exec, exit));
        return exec.pid;
      }),
    );
  }

  async #run(exec: ShimProcess<ExecState>, stdio: Stdio): Promise<void> {
    const { id, runtime } = this.options;
    const { fds, consoleSocket } = stdio;
    const process = this.#specs.get(exec.id)!.value;
    exec.pid = await traced("shim", "runtime exec", id, () =>
      runtime.exec({ id, execId: exec.id, process, stdio: fds, consoleSocket }),
    );
  }

  #ended(exec: ShimProcess<ExecState>, exit: Exit): Promise<void> {
    return exec.exclusively(() => {
      exec.state = next(EXEC, exec.state, "exit");
      // Output is not waited for: a process left in the background may hold it open for ever.
      void exec.stdio?.exited(0);
      this.options.publisher.publish("/tasks/exit", {
        containerId: this.options.id,
        id: exec.id,
        pid: exec.pid,
        exitStatus: exit.exitStatus,
        exitedAt: timestamp(exit.exitedAt),
      });
      exec.settle(exit);
    });
  }

  /** NotFound when it has finished. */
  kill(execId: string, signal: number): void {
    const exec = this.of(execId);
    next(EXEC, exec.state, "kill");
    exec.signal(signal);
  }

  delete(execId: string): Promise<{ pid: number; exit: Exit | undefined }> {
    const exec = this.of(execId);
    return exec.exclusively(async () => {
      exec.state = next(EXEC, exec.state, "delete");
      this.#all.delete(execId);
      this.#specs.delete(execId);
      await exec.stdio?.close(CLOSE_WAIT);
      return { pid: exec.pid, exit: exec.exit };
    });
  }
}
