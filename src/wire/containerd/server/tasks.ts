// The tasks service on gRPC.
import type { Server } from "@grpc/grpc-js";
import { Tasks } from "../../gen/services/tasks_pb.ts";
import { anyInit, anyOf, maybeAnyInit, maybeAnyOf, mountOf, processInit, timeOf } from "../convert.ts";
import { ServiceError, type TaskExit, type Tasks as TasksService } from "../services.ts";
import { serveOn } from "./service.ts";

const exit = (id: string, { pid, exitStatus, exitedAt }: TaskExit) => ({
  id,
  pid,
  exitStatus,
  exitedAt: timeOf(exitedAt),
});

export function serveTasks(server: Server, tasks: TasksService): void {
  serveOn(server, Tasks, {
    async create(request, call) {
      if (request.checkpoint) {
        throw new ServiceError("Unimplemented", "restoring a task from a checkpoint is not supported");
      }
      const options = maybeAnyOf(request.options);
      const { containerId, pid } = await tasks.create(call.namespace, {
        containerId: request.containerId,
        rootfs: request.rootfs.map(mountOf),
        stdin: request.stdin,
        stdout: request.stdout,
        stderr: request.stderr,
        terminal: request.terminal,
        ...(options ? { options } : {}),
        ...(request.runtimePath === "" ? {} : { runtime: request.runtimePath }),
      });
      return { containerId, pid };
    },
    async start({ containerId, execId }, call) {
      return tasks.start(call.namespace, containerId, execId || undefined);
    },
    async delete({ containerId }, call) {
      return exit(containerId, await tasks.delete(call.namespace, containerId));
    },
    async deleteProcess({ containerId, execId }, call) {
      return exit(execId, await tasks.deleteProcess(call.namespace, containerId, execId));
    },
    async get({ containerId, execId }, call) {
      return { process: processInit(await tasks.get(call.namespace, containerId, execId || undefined)) };
    },
    async list(_request, call) {
      return { tasks: (await tasks.list(call.namespace)).map(processInit) };
    },
    async kill({ containerId, execId, signal, all }, call) {
      await tasks.kill(call.namespace, containerId, signal, { ...(execId ? { execId } : {}), all });
      return {};
    },
    async exec({ containerId, execId, stdin, stdout, stderr, terminal, spec }, call) {
      await tasks.exec(call.namespace, containerId, {
        execId,
        stdin,
        stdout,
        stderr,
        terminal,
        spec: anyOf(spec),
      });
      return {};
    },
    async resizePty({ containerId, execId, width, height }, call) {
      await tasks.resizePty(call.namespace, containerId, execId, width, height);
      return {};
    },
    async closeIO({ containerId, execId, stdin }, call) {
      await tasks.closeIO(call.namespace, containerId, execId, stdin);
      return {};
    },
    async pause({ containerId }, call) {
      await tasks.pause(call.namespace, containerId);
      return {};
    },
    async resume({ containerId }, call) {
      await tasks.resume(call.namespace, containerId);
      return {};
    },
    async listPids({ containerId }, call) {
      const processes = await tasks.listPids(call.namespace, containerId);
      return { processes: processes.map(({ pid, info }) => ({ pid, info: maybeAnyInit(info) })) };
    },
    async checkpoint() {
      throw new ServiceError("Unimplemented", "checkpoints are not supported");
    },
    async update({ containerId, resources, annotations }, call) {
      await tasks.update(call.namespace, containerId, anyOf(resources), annotations);
      return {};
    },
    async metrics({ filters }, call) {
      const metrics = await tasks.metrics(call.namespace, filters);
      return {
        metrics: metrics.map(({ timestamp, id, data }) => ({
          timestamp: timeOf(timestamp),
          id,
          data: anyInit(data),
        })),
      };
    },
    async wait({ containerId, execId }, call) {
      const { exitStatus, exitedAt } = await tasks.wait(call.namespace, containerId, execId || undefined);
      return { exitStatus, exitedAt: timeOf(exitedAt) };
    },
  });
}
