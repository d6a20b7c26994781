// Tasks of a containerd behind a socket.
import type { Client } from "@grpc/grpc-js";
import { Tasks as PbTasks } from "../../gen/services/tasks_pb.ts";
import {
  anyInit,
  anyOf,
  dateOf,
  labelsInit,
  maybeAnyInit,
  maybeAnyOf,
  mountInit,
  processOf,
} from "../convert.ts";
import type { Tasks } from "../services.ts";
import { caller } from "./caller.ts";

export function remoteTasks(client: Client): Tasks {
  const calls = caller(client, PbTasks);
  return {
    async create(ns, { rootfs, options, runtime, ...task }) {
      const { containerId, pid } = await calls.create(ns, {
        ...task,
        rootfs: rootfs.map(mountInit),
        options: maybeAnyInit(options),
        runtimePath: runtime ?? "",
      });
      return { containerId, pid };
    },
    async start(ns, containerId, execId = "") {
      return { pid: (await calls.start(ns, { containerId, execId })).pid };
    },
    async delete(ns, containerId) {
      const { pid, exitStatus, exitedAt } = await calls.delete(ns, { containerId });
      return { pid, exitStatus, exitedAt: dateOf(exitedAt) };
    },
    async deleteProcess(ns, containerId, execId) {
      const { pid, exitStatus, exitedAt } = await calls.deleteProcess(ns, { containerId, execId });
      return { pid, exitStatus, exitedAt: dateOf(exitedAt) };
    },
    get: async (ns, containerId, execId = "") =>
      processOf((await calls.get(ns, { containerId, execId })).process, { containerId, execId }),
    list: async (ns) => (await calls.list(ns, {})).tasks.map((one) => processOf(one)),
    async kill(ns, containerId, signal, { execId = "", all = false } = {}) {
      await calls.kill(ns, { containerId, execId, signal, all });
    },
    async exec(ns, containerId, { spec, ...request }) {
      await calls.exec(ns, { containerId, ...request, spec: anyInit(spec) });
    },
    async resizePty(ns, containerId, execId, width, height) {
      await calls.resizePty(ns, { containerId, execId, width, height });
    },
    async closeIO(ns, containerId, execId, stdin) {
      await calls.closeIO(ns, { containerId, execId, stdin });
    },
    async pause(ns, containerId) {
      await calls.pause(ns, { containerId });
    },
    async resume(ns, containerId) {
      await calls.resume(ns, { containerId });
    },
    async listPids(ns, containerId) {
      const { processes } = await calls.listPids(ns, { containerId });
      return processes.map(({ pid, info }) => {
        const details = maybeAnyOf(info);
        return details ? { pid, info: details } : { pid };
      });
    },
    async update(ns, containerId, resources, annotations) {
      await calls.update(ns, {
        containerId,
        resources: anyInit(resources),
        annotations: labelsInit(annotations),
      });
    },
    async metrics(ns, filters) {
      const { metrics } = await calls.metrics(ns, { filters: filters ?? [] });
      return metrics.map(({ timestamp, id, data }) => ({
        timestamp: dateOf(timestamp),
        id,
        data: anyOf(data),
      }));
    },
    async wait(ns, containerId, execId = "") {
      const { exitStatus, exitedAt } = await calls.wait(ns, { containerId, execId });
      return { exitStatus, exitedAt: dateOf(exitedAt) };
    },
  };
}
