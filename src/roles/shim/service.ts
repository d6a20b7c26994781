// The task service that the shim answers: requests off the wire to the container, and its state back.
import { traced } from "../../observe/trace.ts";
import { ServiceError } from "../../wire/containerd/services.ts";
import { encode, type Init, type Message } from "../../wire/ttrpc/codec.ts";
import type { CreateTaskRequest, StateResponse, TaskV2 } from "../../wire/ttrpc/messages/task.ts";
import { ProcessDetails, STATUS } from "../../wire/ttrpc/messages/types.ts";
import { timestamp } from "../../wire/ttrpc/messages/well-known.ts";
import type { Handlers } from "../../wire/ttrpc/service.ts";
import { processesOf } from "./cgroup.ts";
import { Container, type SavedContainer } from "./container.ts";
import type { Exit, Exits } from "./exits.ts";
import type { LoadResident } from "./oci/own.ts";
import type { Publisher } from "./publisher.ts";
import { runcOptions } from "./runtime-options.ts";

export interface ServiceOptions {
  namespace: string;
  /** Default runtime root: `--root` is <this>/<namespace>. */
  runtimeRoot: string;
  exits: Exits;
  publisher: Publisher;
  /** Loads our own runtime into this process. */
  resident: LoadResident | undefined;
  /** The shim's container is gone and containerd said so: end the process. */
  onShutdown: () => void;
  /** containerd is there, perhaps a newer one. */
  onConnect: () => void;
}

const exitFields = (exit: Exit | undefined) =>
  exit ? { exitStatus: exit.exitStatus, exitedAt: timestamp(exit.exitedAt) } : {};

export class TaskService {
  /** One, or those of a group. */
  #containers = new Map<string, Container>();
  #creating = new Set<string>();

  constructor(private readonly options: ServiceOptions) {}

  get containers(): Iterable<Container> {
    return this.#containers.values();
  }

  /** No container is here, or on its way. */
  get empty(): boolean {
    return this.#containers.size === 0 && this.#creating.size === 0;
  }

  /** For another process to go on with; undefined while something is being done. */
  save(): SavedContainer[] | undefined {
    if (this.#creating.size > 0) return undefined;
    const all: SavedContainer[] = [];
    for (const container of this.#containers.values()) {
      const saved = container.save();
      if (!saved) return undefined;
      all.push(saved);
    }
    return all;
  }

  restore(saved: readonly SavedContainer[]): void {
    for (const each of saved) this.#containers.set(each.options.id, Container.restore(each, this.options));
  }

  #of(id: string): Container {
    const container = this.#containers.get(id);
    if (!container) throw new ServiceError("NotFound", "container not created");
    return container;
  }

  async #create(request: Message<typeof CreateTaskRequest>): Promise<{ pid: number }> {
    const { id, bundle, stdin, stdout, stderr, terminal, checkpoint } = request;
    const { namespace, runtimeRoot, publisher } = this.options;
    if (checkpoint) throw new ServiceError("Unimplemented", "restoring from a checkpoint is not supported");
    if (this.#containers.has(id) || this.#creating.has(id))
      throw new ServiceError("AlreadyExists", `task ${id} already exists`);
    const runc = runcOptions(request.options);
    this.#creating.add(id);
    try {
      const container = new Container(
        {
          id,
          namespace,
          bundle,
          binary: runc.binaryName,
          root: `${runc.root || runtimeRoot}/${namespace}`,
          systemdCgroup: runc.systemdCgroup,
          noPivotRoot: runc.noPivotRoot,
          noNewKeyring: runc.noNewKeyring,
          owner: { uid: runc.ioUid, gid: runc.ioGid },
        },
        { stdin, stdout, stderr, terminal },
        this.options,
        ({ pid }) =>
          publisher.publish("/tasks/create", {
            containerId: id,
            bundle,
            rootfs: request.rootfs,
            io: { stdin, stdout, stderr, terminal },
            checkpoint,
            pid,
          }),
      );
      await traced("shim", "create", id, () => container.create(request.rootfs));
      this.#containers.set(id, container);
      return { pid: container.init.pid };
    } finally {
      this.#creating.delete(id);
    }
  }

  #state(id: string, execId: string): Init<typeof StateResponse> {
    const container = this.#of(id);
    const of = container.process(execId);
    const status = {
      created: STATUS.CREATED,
      running: container.pausing && execId === "" ? STATUS.PAUSING : STATUS.RUNNING,
      paused: STATUS.PAUSED,
      stopped: STATUS.STOPPED,
      deleted: STATUS.STOPPED,
    }[of.state];
    return { id, bundle: container.bundle, pid: of.pid, status, ...of.paths, ...exitFields(of.exit), execId };
  }

  #pids(id: string) {
    const container = this.#of(id);
    const execOf = new Map([...container.execs].map((exec) => [exec.pid, exec.id]));
    return processesOf(container.cgroup).map((pid) => {
      const execId = execOf.get(pid);
      if (execId === undefined) return { pid };
      return { pid, info: { typeUrl: ProcessDetails.name, value: encode(ProcessDetails, { execId }) } };
    });
  }

  get handlers(): Handlers<typeof TaskV2> {
    return {
      create: (request) => this.#create(request),
      start: ({ id, execId }) =>
        traced("shim", "start", id, async () => ({ pid: await this.#of(id).start(execId) })),
      state: ({ id, execId }) => this.#state(id, execId),
      wait: async ({ id, execId }) => exitFields(await this.#of(id).process(execId).exited),
      kill: async ({ id, execId, signal, all }) => {
        await this.#of(id).kill(execId, signal, all);
        return {};
      },
      delete: async ({ id, execId }) => {
        const container = this.#of(id);
        const gone = await (execId === ""
          ? traced("shim", "delete", id, () => container.delete())
          : container.execs.delete(execId));
        if (execId === "") this.#containers.delete(id);
        return { pid: gone.pid, ...exitFields(gone.exit) };
      },
      exec: async ({ id, execId, spec, stdin, stdout, stderr, terminal }) => {
        if (!spec) throw new ServiceError("InvalidArgument", "exec: no process spec");
        await this.#of(id).addExec(execId, { stdin, stdout, stderr, terminal }, spec);
        return {};
      },
      resizePty: ({ id, execId, width, height }) => {
        this.#of(id).resize(execId, width, height);
        return {};
      },
      closeIO: ({ id, execId, stdin }) => {
        if (stdin) this.#of(id).closeIO(execId);
        return {};
      },
      pids: ({ id }) => ({ processes: this.#pids(id) }),
      stats: async ({ id }) => {
        const { statsOf } = await import("./stats.ts");
        return { stats: statsOf(this.#of(id).cgroup) };
      },
      update: async ({ id, resources }) => {
        if (!resources) throw new ServiceError("InvalidArgument", "update: no resources");
        await this.#of(id).update(resources.value);
        return {};
      },
      pause: async ({ id }) => {
        await this.#of(id).pause();
        return {};
      },
      resume: async ({ id }) => {
        await this.#of(id).resume();
        return {};
      },
      checkpoint: ({ id }) => this.#of(id).checkpoint(),
      connect: ({ id }) => {
        const container = this.#containers.get(id);
        container?.reconnect();
        this.options.publisher.nudge();
        this.options.onConnect();
        return { shimPid: process.pid, taskPid: container?.init.pid ?? 0 };
      },
      // With a container still here the shim stays: it is the one that knows how that ends.
      shutdown: () => {
        if (this.empty) this.options.onShutdown();
        return {};
      },
    };
  }
}
