// The tasks service: containers that run, each in its shim. containerd: core/runtime/v2, plugins/services/tasks.
import { join } from "node:path";
import { log } from "../../../observe/log.ts";
import { traced } from "../../../observe/trace.ts";
import {
  type AnyValue,
  type Containers,
  type CreateTask,
  type Events,
  type Labels,
  ServiceError,
  type TaskExit,
  type TaskIO,
  type TaskProcess,
  type Tasks,
} from "../../../wire/containerd/services.ts";
import { encode } from "../../../wire/ttrpc/codec.ts";
import { Any, dateOf } from "../../../wire/ttrpc/messages/well-known.ts";
import type { TtrpcServer } from "../../../wire/ttrpc/server.ts";
import { within } from "../../../within.ts";
import { alreadyExists, notFound } from "../errors.ts";
import { matcher } from "../filters/match.ts";
import { checkIdentifier } from "../identifiers.ts";
import { Bundle, taskDirectory } from "./bundle.ts";
import { Buried } from "./buried.ts";
import { exitOf, processOf, publishEnd, unknownProcess } from "./convert.ts";
import { serveEvents } from "./event-socket.ts";
import { passed } from "./failure.ts";
import { restoreTasks } from "./restore.ts";
import { DEFAULT_RUNTIME, shimName } from "./runtime.ts";
import { standsAlone } from "./sharing.ts";
import { deleteDead, QUICK, Shim, type ShimSurroundings } from "./shim.ts";
import { WaitingShims } from "./waiting-shims.ts";

export interface TasksOptions {
  containers: Pick<Containers, "get">;
  events: Events;
  /** containerd's state directory. */
  state: string;
  /** containerd's gRPC address (shims and their sockets are named after it). */
  address: string;
  /** Where shims deliver events; default `<address>.ttrpc`. */
  ttrpcAddress?: string;
  /** A task's bundle directory; default `<state>/io.containerd.runtime.v2.task/<ns>/<id>`. */
  bundle?: (namespace: string, id: string) => string;
}

/** The tasks service and what its owner does with it. */
export interface LocalTasks extends Tasks {
  /** Resolves when the shims of a former run are connected again or cleaned up after. Every call waits for it anyway. */
  readonly ready: Promise<void>;
  /** Lets the shims go (they live on) and stops listening for their events. */
  close(): Promise<void>;
}

interface Task {
  shim: Shim;
  /** Set once the shim has died: how the container ended, after the clean-up. */
  dead?: Promise<TaskExit>;
}

const OWN_SHIM = shimName(DEFAULT_RUNTIME);

/** The tasks of one containerd. Starts listening for events and looking for living shims at once. */
export function createTasks(options: TasksOptions): LocalTasks {
  return new ShimTasks(options);
}

class ShimTasks implements LocalTasks {
  readonly ready: Promise<void>;
  #tasks = new Map<string, Task>();
  #buried = new Buried();
  /** Ids being created. */
  #creating = new Set<string>();
  #around: ShimSurroundings;
  #server: TtrpcServer;
  /** Creations; the end waits for them, for what they make must be let go. */
  #underWay = new Set<Promise<unknown>>();
  #closed = false;

  constructor(private readonly options: TasksOptions) {
    const { address, ttrpcAddress = `${address}.ttrpc`, events } = options;
    this.#around = { address, ttrpcAddress, waiting: new WaitingShims(OWN_SHIM, address, ttrpcAddress) };
    this.#server = serveEvents(ttrpcAddress, events);
    this.ready = restoreTasks({
      state: options.state,
      around: this.#around,
      bundle: (namespace, id, path) => this.#bundle(namespace, id, path),
      register: (shim) => void this.#register(shim),
      bury: (namespace, id, runtime, bundle) => this.#bury(namespace, id, runtime, bundle),
      remember: (namespace, id, exit) => this.#buried.add(namespace, id, exit),
    });
    this.ready.catch((error) => log("error", "looking for shims failed", { error }));
  }

  #bundle(namespace: string, id: string, path?: string): Bundle {
    const { state, bundle = (ns, name) => join(taskDirectory(state), ns, name) } = this.options;
    return new Bundle(path ?? bundle(namespace, id), state, namespace, id);
  }

  #key(namespace: string, id: string): string {
    return `${namespace}/${id}`;
  }

  async #task(namespace: string, id: string): Promise<Task> {
    await this.ready;
    const task = this.#tasks.get(this.#key(namespace, id));
    if (!task) throw notFound(`task ${id}`);
    return task;
  }

  /** Calls the shim, with its failure as ours. */
  async #call<T>(namespace: string, id: string, call: (shim: Shim) => Promise<T>): Promise<T> {
    const { shim } = await this.#task(namespace, id);
    try {
      return await call(shim);
    } catch (error) {
      throw passed(error);
    }
  }

  #register(shim: Shim): Task {
    const task: Task = { shim };
    const key = this.#key(shim.namespace, shim.id);
    this.#tasks.set(key, task);
    shim.onGone(() => {
      if (this.#closed || this.#tasks.get(key) !== task) return;
      log("warning", "shim disconnected", { id: shim.id, namespace: shim.namespace });
      task.dead = this.#bury(shim.namespace, shim.id, shim.runtime, shim.bundle).finally(async () => {
        if (this.#tasks.get(key) === task) this.#tasks.delete(key);
        await shim.letGo();
      });
      task.dead.catch((error) =>
        log("error", "cleaning up after a dead shim failed", { id: shim.id, error }),
      );
    });
    return task;
  }

  /** Cleans up after a shim that died, and tells the world what it can no longer tell itself. */
  async #bury(namespace: string, id: string, runtime: string, bundle: Bundle): Promise<TaskExit> {
    let exit: TaskExit;
    try {
      exit = exitOf(await deleteDead(namespace, id, runtime, bundle, this.#around));
    } catch (error) {
      log("error", "shim delete failed", { id, namespace, error });
      exit = { pid: 0, exitStatus: 137, exitedAt: new Date() };
    }
    bundle.remove();
    await publishEnd(this.options.events, namespace, id, exit);
    return exit;
  }

  create(namespace: string, request: CreateTask): Promise<{ containerId: string; pid: number }> {
    const made = this.#create(namespace, request);
    this.#underWay.add(made);
    const over = () => void this.#underWay.delete(made);
    made.then(over, over);
    return made;
  }

  async #create(namespace: string, request: CreateTask): Promise<{ containerId: string; pid: number }> {
    await this.ready;
    if (this.#closed) throw new ServiceError("Unavailable", "containerd is shutting down");
    const { containerId: id, stdin, stdout, stderr, terminal } = request;
    checkIdentifier(id);
    const key = this.#key(namespace, id);
    if (this.#tasks.has(key) || this.#creating.has(key)) throw alreadyExists(`task ${id}`);
    this.#creating.add(key);
    this.#buried.take(namespace, id);
    try {
      const record = await this.options.containers.get(namespace, id);
      const runtime = request.runtime || record.runtime.name || DEFAULT_RUNTIME;
      const options = request.options ?? record.runtime.options;
      const bundle = this.#bundle(namespace, id);
      const shim = await traced("containerd", "shim start", id, () =>
        this.#startShim(namespace, id, runtime, bundle, record.spec.value, options),
      );
      try {
        const rootfs = request.rootfs.map((mount) => ({ ...mount, target: mount.target ?? "" }));
        const { pid } = await traced("containerd", "task create", id, () =>
          shim.task.create({ id, bundle: bundle.path, rootfs, stdin, stdout, stderr, terminal, options }),
        );
        this.#register(shim);
        return { containerId: id, pid };
      } catch (error) {
        await this.#undo(shim, runtime, bundle);
        throw passed(error, "failed to create shim task");
      }
    } finally {
      this.#creating.delete(key);
    }
  }

  async #startShim(
    namespace: string,
    id: string,
    runtime: string,
    bundle: Bundle,
    spec: Uint8Array,
    options: AnyValue | undefined,
  ): Promise<Shim> {
    bundle.create(spec);
    try {
      const stdin = options && encode(Any, options);
      return await Shim.start(
        namespace,
        id,
        runtime,
        bundle,
        this.#around,
        stdin,
        standsAlone(spec, options),
      );
    } catch (error) {
      // A shim that answered `start` and then nothing is still there: delete is for it too.
      if (bundle.saved())
        await deleteDead(namespace, id, runtime, bundle, this.#around).catch((cause) =>
          log("warning", "shim delete failed", { id, error: cause }),
        );
      bundle.remove();
      throw passed(error, "failed to start shim");
    }
  }

  /** A shim whose container could not be created. */
  async #undo(shim: Shim, runtime: string, bundle: Bundle): Promise<void> {
    try {
      await shim.shutdown();
      await deleteDead(shim.namespace, shim.id, runtime, bundle, this.#around);
      bundle.remove();
    } catch (error) {
      log("warning", "cleaning up a failed create", { id: shim.id, error });
    }
  }

  start(namespace: string, id: string, execId = ""): Promise<{ pid: number }> {
    return this.#call(namespace, id, (shim) =>
      traced("containerd", "task start", id, () => shim.task.start({ id, execId })),
    );
  }

  async delete(namespace: string, id: string): Promise<TaskExit> {
    await this.ready;
    const buried = this.#buried.take(namespace, id);
    if (buried) return buried;
    const task = await this.#task(namespace, id);
    const { shim } = task;
    if (task.dead) return task.dead;
    let exit: TaskExit;
    try {
      exit = exitOf(await traced("containerd", "task delete", id, () => shim.task.delete({ id })));
    } catch (error) {
      if (task.dead) return task.dead;
      throw passed(error);
    }
    this.#tasks.delete(this.#key(namespace, id));
    this.#creating.add(this.#key(namespace, id));
    try {
      await shim.shutdown();
      shim.bundle.remove();
    } finally {
      this.#creating.delete(this.#key(namespace, id));
    }
    return exit;
  }

  deleteProcess(namespace: string, id: string, execId: string): Promise<TaskExit> {
    return this.#call(namespace, id, async (shim) => exitOf(await shim.task.delete({ id, execId })));
  }

  async get(namespace: string, id: string, execId = ""): Promise<TaskProcess> {
    await this.ready;
    const buried = execId === "" && this.#buried.of(namespace).find((each) => each.containerId === id);
    if (buried) return buried;
    return this.#call(namespace, id, async (shim) =>
      processOf(await shim.task.state({ id, execId }, { timeout: QUICK })),
    );
  }

  async list(namespace: string): Promise<TaskProcess[]> {
    await this.ready;
    const found = await Promise.all(
      this.#of(namespace).map(async ({ shim }) => {
        try {
          return processOf(await shim.task.state({ id: shim.id }, { timeout: QUICK }));
        } catch (error) {
          // A task that ends meanwhile is no failure of the list; one that does not answer is shown as it is known.
          if (error instanceof ServiceError && error.code === "DeadlineExceeded")
            return unknownProcess(shim.id);
          return undefined;
        }
      }),
    );
    return [...found.filter((each) => each !== undefined), ...this.#buried.of(namespace)];
  }

  #of(namespace: string): Task[] {
    return [...this.#tasks.values()].filter(({ shim }) => shim.namespace === namespace);
  }

  kill(
    namespace: string,
    id: string,
    signal: number,
    { execId = "", all = false }: { execId?: string; all?: boolean } = {},
  ): Promise<void> {
    return this.#call(namespace, id, async (shim) => {
      await shim.task.kill({ id, execId, signal, all });
    });
  }

  exec(
    namespace: string,
    id: string,
    { execId, spec, stdin, stdout, stderr, terminal }: TaskIO & { execId: string; spec: AnyValue },
  ): Promise<void> {
    checkIdentifier(execId);
    return this.#call(namespace, id, async (shim) => {
      await shim.task.exec({ id, execId, spec, stdin, stdout, stderr, terminal });
    });
  }

  resizePty(namespace: string, id: string, execId: string, width: number, height: number): Promise<void> {
    return this.#call(namespace, id, async (shim) => {
      await shim.task.resizePty({ id, execId, width, height });
    });
  }

  closeIO(namespace: string, id: string, execId: string, stdin: boolean): Promise<void> {
    return this.#call(namespace, id, async (shim) => {
      await shim.task.closeIO({ id, execId, stdin });
    });
  }

  pause(namespace: string, id: string): Promise<void> {
    return this.#call(namespace, id, async (shim) => {
      await shim.task.pause({ id });
    });
  }

  resume(namespace: string, id: string): Promise<void> {
    return this.#call(namespace, id, async (shim) => {
      await shim.task.resume({ id });
    });
  }

  listPids(namespace: string, id: string): Promise<{ pid: number; info?: AnyValue }[]> {
    return this.#call(namespace, id, async (shim) => (await shim.task.pids({ id })).processes);
  }

  update(namespace: string, id: string, resources: AnyValue, annotations?: Labels): Promise<void> {
    return this.#call(namespace, id, async (shim) => {
      await shim.task.update({ id, resources, annotations });
    });
  }

  async metrics(
    namespace: string,
    filters?: string[],
  ): Promise<{ timestamp: Date; id: string; data: AnyValue }[]> {
    await this.ready;
    const wanted = matcher<Shim>(filters, (shim, [field]) => {
      if (field === "id") return shim.id;
      return field === "namespace" ? shim.namespace : undefined;
    });
    const found = await Promise.all(
      this.#of(namespace)
        .filter(({ shim }) => wanted(shim))
        .map(async ({ shim }) => {
          // A task without figures (ended meanwhile) is left out, as containerd does.
          const { stats } = await shim.task
            .stats({ id: shim.id }, { timeout: QUICK })
            .catch(() => ({ stats: undefined }));
          return stats && { timestamp: new Date(), id: shim.id, data: stats };
        }),
    );
    return found.filter((each) => each !== undefined);
  }

  async wait(namespace: string, id: string, execId = ""): Promise<Omit<TaskExit, "pid">> {
    await this.ready;
    const buried = execId === "" && this.#buried.exit(namespace, id);
    if (buried) return buried;
    const task = await this.#task(namespace, id);
    try {
      const { exitStatus, exitedAt } = await task.shim.task.wait({ id, execId });
      return { exitStatus, exitedAt: dateOf(exitedAt) ?? new Date(0) };
    } catch (error) {
      if (!(error instanceof ServiceError) || error.code !== "Unavailable" || this.#closed)
        throw passed(error);
      // The shim died; its clean-up, which the same event has begun, knows more.
      await task.shim.gone;
      await Promise.resolve();
      const dead = await task.dead;
      if (!dead) throw passed(error);
      return execId === "" ? dead : { exitStatus: 137, exitedAt: dead.exitedAt };
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.ready.catch(() => {});
    await within(QUICK, Promise.allSettled(this.#underWay));
    this.#server.close();
    this.#around.waiting.close();
    await Promise.all([...this.#tasks.values()].map(({ shim }) => shim.letGo()));
    this.#tasks.clear();
  }
}
