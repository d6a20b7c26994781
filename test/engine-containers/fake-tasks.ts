// containerd's side of a container's life, in memory: tasks that end when they are told to, snapshots that are directories.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  type ContainerRecord,
  type Envelope,
  ServiceError,
  type Services,
  type TaskExit,
  type TaskProcess,
} from "../../src/wire/containerd/services.ts";

export interface FakeTask {
  process: TaskProcess;
  exited: PromiseWithResolvers<Omit<TaskExit, "pid">>;
}

export class FakeTasks {
  readonly tasks = new Map<string, FakeTask>();
  readonly records = new Map<string, ContainerRecord>();
  /** Every call that changes something, in order. */
  readonly calls: string[] = [];
  /** Signals that processes act on, with the exit code that follows. */
  obeys = new Map<number, number>([
    [15, 143],
    [9, 137],
  ]);
  failing: ((step: string) => Error | undefined) | undefined;
  #pid = 1000;

  constructor(readonly directory: string) {}

  task(id: string): FakeTask {
    const task = this.tasks.get(id);
    if (!task) throw new ServiceError("NotFound", `task ${id} not found`);
    return task;
  }

  /** The process ends. */
  end(id: string, exitStatus: number): void {
    const task = this.task(id);
    task.process.status = "STOPPED";
    task.process.exitStatus = exitStatus;
    task.process.exitedAt = new Date();
    task.exited.resolve({ exitStatus, exitedAt: task.process.exitedAt });
  }

  #step(step: string): void {
    this.calls.push(step);
    const error = this.failing?.(step);
    if (error) throw error;
  }

  readonly service: Services["tasks"] = {
    create: async (_ns, request) => {
      this.#step("create");
      const pid = this.#pid++;
      this.tasks.set(request.containerId, {
        process: { ...request, id: "", pid, status: "CREATED", exitStatus: 0 },
        exited: Promise.withResolvers(),
      });
      return { containerId: request.containerId, pid };
    },
    start: async (_ns, id) => {
      this.#step("start");
      const { process } = this.task(id);
      process.status = "RUNNING";
      return { pid: process.pid };
    },
    delete: async (_ns, id) => {
      const { process } = this.task(id);
      this.#step("delete");
      this.tasks.delete(id);
      return { pid: process.pid, exitStatus: process.exitStatus, exitedAt: process.exitedAt ?? new Date() };
    },
    deleteProcess: async () => {
      throw new ServiceError("NotFound", "no execs here");
    },
    get: async (_ns, id) => this.task(id).process,
    list: async () => [...this.tasks.values()].map((task) => task.process),
    kill: async (_ns, id, signal) => {
      this.#step(`kill ${signal}`);
      const task = this.task(id);
      if (task.process.status === "STOPPED") throw new ServiceError("NotFound", "process already finished");
      const code = this.obeys.get(signal);
      if (code !== undefined) queueMicrotask(() => this.end(id, code));
    },
    exec: async () => {},
    resizePty: async () => {},
    closeIO: async () => {},
    pause: async (_ns, id) => {
      this.#step("pause");
      this.task(id).process.status = "PAUSED";
    },
    resume: async (_ns, id) => {
      this.#step("resume");
      this.task(id).process.status = "RUNNING";
    },
    listPids: async () => [],
    update: async () => {},
    metrics: async () => [],
    wait: async (_ns, id) => await this.task(id).exited.promise,
  };

  /** The services that a container's life needs, over those of `base`. */
  over(base: Services): Services {
    const { records } = this;
    const snapshotter = base.snapshots.snapshotter("");
    const path = (key: string): string => join(this.directory, "snapshots", key);
    const mounts = (key: string) => [{ type: "bind", source: path(key), options: ["rw", "rbind"] }];
    return {
      ...base,
      tasks: this.service,
      containers: {
        get: async (_ns, id) => records.get(id)!,
        list: async () => [...records.values()],
        async create(_ns, record) {
          const made = { ...record, createdAt: new Date(), updatedAt: new Date() };
          records.set(record.id, made);
          return made;
        },
        update: async (_ns, record) => records.get(record.id)!,
        async delete(_ns, id) {
          if (!records.delete(id)) throw new ServiceError("NotFound", `container ${id} not found`);
        },
      },
      snapshots: {
        snapshotter: () => ({
          ...snapshotter,
          async prepare(_ns, key) {
            mkdirSync(join(path(key), "etc"), { recursive: true });
            return mounts(key);
          },
          mounts: async (_ns, key) => mounts(key),
          async remove(_ns, key) {
            rmSync(path(key), { recursive: true });
          },
          usage: async () => ({ size: 10, inodes: 1 }),
          stat: async (_ns, name) => ({
            name,
            parent: "",
            kind: "Committed",
            createdAt: new Date(),
            updatedAt: new Date(),
            labels: {},
          }),
        }),
      },
      events: {
        publish: async () => {},
        forward: async () => {},
        async *subscribe(_filters, signal): AsyncIterable<Envelope> {
          await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        },
      },
    };
  }
}
