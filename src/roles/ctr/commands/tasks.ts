import { log } from "../../../observe/log.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { type Command, type Group, QUIET, UsageError } from "../command.ts";
import { parseSignal } from "../signal.ts";
import { NARROW, table, WIDE } from "../table.ts";
import { removeFifos } from "../task-io.ts";
import { attach } from "./attach.ts";
import { checkpoint } from "./checkpoint.ts";
import { metrics } from "./metrics.ts";
import { exec, start } from "./run.ts";

/** Set by ctr and nerdctl from the image's configuration. */
const STOP_SIGNAL = "io.containerd.image.config.stop-signal";

function must(id: string | undefined): string {
  if (!id) throw new UsageError("container id must be provided: invalid argument");
  return id;
}

const list: Command = {
  names: ["list", "ls"],
  about: "list tasks",
  use: "[command options] [flags]",
  flags: [QUIET("print only the task id")],
  async run({ services, ns, flags, out }) {
    const all = await (await services()).tasks.list(ns);
    if (flags.boolean("quiet")) out(all.map(({ containerId }) => `${containerId}\n`).join(""));
    else {
      const rows = all.map((one) => [one.containerId, `${one.pid}`, one.status]);
      out(table([["TASK", "PID", "STATUS"], ...rows], WIDE, "header"));
    }
    return 0;
  },
};

const kill: Command = {
  names: ["kill"],
  about: "signal a container (default: SIGTERM)",
  use: "[command options] [flags] CONTAINER",
  flags: [
    { name: "signal", aliases: ["s"], kind: "string", about: "signal to send to the container" },
    { name: "exec-id", kind: "string", about: "process ID to kill" },
    {
      name: "all",
      aliases: ["a"],
      kind: "boolean",
      about: "send signal to all processes inside the container",
    },
  ],
  async run({ services, ns, flags, args }) {
    const id = must(args[0]);
    const execId = flags.string("exec-id");
    const all = flags.boolean("all");
    if (all && execId !== "") throw new UsageError("specify an exec-id or all; not both");
    const { containers, tasks } = await services();
    const { labels } = await containers.get(ns, id);
    const signal = flags.given("signal")
      ? parseSignal(flags.string("signal"))
      : parseSignal((execId === "" && labels[STOP_SIGNAL]) || "SIGTERM");
    await tasks.kill(ns, id, signal, { all, ...(execId === "" ? {} : { execId }) });
    return 0;
  },
};

const remove: Command = {
  names: ["delete", "del", "remove", "rm"],
  about: "delete one or more tasks",
  use: "[command options] CONTAINER [CONTAINER, ...]",
  flags: [
    { name: "force", aliases: ["f"], kind: "boolean", about: "force delete task process" },
    { name: "exec-id", kind: "string", about: "process ID to kill" },
  ],
  async run({ services, ns, flags, args }) {
    must(args[0]);
    const { containers, tasks } = await services();
    const execId = flags.string("exec-id");
    let failed: Error | undefined;
    let last = 0;
    for (const id of args) {
      let failing = `unable to delete ${id}`;
      try {
        await containers.get(ns, id).catch((error) => {
          failing = `failed to load task from ${id}`;
          throw error;
        });
        if (execId !== "") {
          last = (await tasks.deleteProcess(ns, id, execId)).exitStatus;
          continue;
        }
        if (flags.boolean("force")) {
          const over = tasks.wait(ns, id);
          await tasks.kill(ns, id, 9).catch((error) => {
            if (!(error instanceof ServiceError && error.code === "NotFound")) throw error;
          });
          await over;
        }
        const left = await tasks.get(ns, id);
        const { exitStatus } = await tasks.delete(ns, id);
        removeFifos(left);
        if (exitStatus !== 0) log("warning", `task ${id} exit with non-zero exit code ${exitStatus}`);
      } catch (error) {
        failed ??= error as Error;
        log("error", failing, { error });
      }
    }
    if (failed) throw failed;
    return last;
  },
};

const ps: Command = {
  names: ["ps"],
  about: "list processes for container",
  use: "CONTAINER",
  async run({ services, ns, args, out }) {
    const id = must(args[0]);
    const { containers, tasks } = await services();
    await containers.get(ns, id);
    const all = await tasks.listPids(ns, id);
    const { fromBinary, toJson } = await import("@bufbuild/protobuf");
    const { ProcessDetailsSchema } = await import("../../../wire/gen/shim/runc_pb.ts");
    const rows = all.map(({ pid, info }) => [
      `${pid}`,
      info
        ? JSON.stringify(
            toJson(ProcessDetailsSchema, fromBinary(ProcessDetailsSchema, info.value), {
              useProtoFieldName: true,
            }),
          )
        : "-",
    ]);
    out(table([["PID", "INFO"], ...rows], { ...NARROW, padding: 4 }, "none"));
    return 0;
  },
};

const pause: Command = {
  names: ["pause"],
  about: "pause an existing container",
  use: "CONTAINER",
  async run({ services, ns, args }) {
    const id = must(args[0]);
    await (await services()).tasks.pause(ns, id);
    return 0;
  },
};

const resume: Command = {
  names: ["resume"],
  about: "resume a paused container",
  use: "CONTAINER",
  async run({ services, ns, args }) {
    const id = must(args[0]);
    await (await services()).tasks.resume(ns, id);
    return 0;
  },
};

export const tasks: Group = {
  about: "manage tasks",
  commands: [attach, checkpoint, remove, exec, list, kill, metrics, pause, ps, resume, start],
};
