import { writeFileSync } from "node:fs";
import type { ContainerRecord, Services, TaskIO } from "../../../wire/containerd/services.ts";
import { type Command, type Invocation, UsageError } from "../command.ts";
import { containerFlags, createContainer, removeContainer } from "../create.ts";
import type { FlagSpec } from "../flags.ts";
import { ProcessIO } from "../task-io.ts";

const taskFlags: readonly FlagSpec[] = [
  { name: "null-io", kind: "boolean", about: "send all IO to /dev/null" },
  { name: "log-uri", kind: "string", about: "log uri" },
  {
    name: "detach",
    aliases: ["d"],
    kind: "boolean",
    about: "detach from the task after it has started execution",
  },
  { name: "fifo-dir", kind: "string", about: "directory used for storing IO FIFOs" },
];

/** Creates, starts and (unless detached) waits for a container's task; its exit status is the result. */
async function runTask(
  services: Services,
  { ns, flags }: Invocation,
  container: ContainerRecord,
  terminal: boolean,
): Promise<number> {
  const { tasks, snapshots } = services;
  const { id, snapshotter, snapshotKey } = container;
  const detach = flags.boolean("detach");
  const log = flags.string("log-uri");
  const spec = JSON.parse(new TextDecoder().decode(container.spec.value)) as {
    process?: { terminal?: boolean };
  };
  const console = terminal || spec.process?.terminal === true;
  const directory = flags.string("fifo-dir");
  const stdio =
    flags.boolean("null-io") || log !== ""
      ? ProcessIO.none(console)
      : detach
        ? ProcessIO.detached(id, { terminal: console, directory })
        : ProcessIO.attach(id, { terminal: console, directory });
  const io: TaskIO = log === "" ? stdio.io : { ...stdio.io, stdout: log, stderr: log };
  // A detached process that runs keeps its FIFOs: somebody may attach to it.
  let left = false;
  try {
    const rootfs = snapshotKey === "" ? [] : await snapshots.snapshotter(snapshotter).mounts(ns, snapshotKey);
    const { pid } = await tasks.create(ns, { containerId: id, rootfs, ...io });
    const pidFile = flags.string("pid-file");
    if (pidFile !== "") writeFileSync(pidFile, `${pid}`);
    if (detach) {
      try {
        await tasks.start(ns, id);
      } catch (error) {
        await tasks.delete(ns, id).catch(() => {});
        throw error;
      }
      left = true;
      stdio.release();
      return 0;
    }
    // Asked before the start, so that even the shortest life is seen.
    const over = tasks.wait(ns, id);
    over.catch(() => {});
    try {
      await tasks.start(ns, id);
    } catch (error) {
      await tasks.delete(ns, id).catch(() => {});
      throw error;
    }
    stdio.connect(tasks, ns, id);
    const { exitStatus } = await over;
    await stdio.finish();
    await tasks.delete(ns, id);
    return exitStatus;
  } finally {
    if (!left) await stdio.finish();
  }
}

export const run: Command = {
  names: ["run"],
  about: "run a container",
  use: "[command options] [flags] Image|RootFS ID [COMMAND] [ARG...]",
  flags: [
    {
      name: "rm",
      kind: "boolean",
      about: "remove the container after running, cannot be used with --detach",
    },
    ...taskFlags,
    ...containerFlags,
  ],
  async run(invocation) {
    const { flags, ns } = invocation;
    if (flags.boolean("rm") && flags.boolean("detach")) {
      throw new UsageError("flags --detach and --rm cannot be specified together");
    }
    const services = await invocation.services();
    const container = await createContainer(services, invocation);
    let code: number;
    try {
      code = await runTask(services, invocation, container, flags.boolean("tty"));
    } catch (error) {
      if (flags.boolean("rm")) await removeContainer(services, ns, container).catch(() => {});
      throw error;
    }
    if (flags.boolean("rm")) await removeContainer(services, ns, container);
    return code;
  },
};

export const create: Command = {
  names: ["create"],
  about: "create container",
  use: "[command options] [flags] Image|RootFS CONTAINER [COMMAND] [ARG...]",
  flags: containerFlags,
  async run(invocation) {
    await createContainer(await invocation.services(), invocation);
    return 0;
  },
};

export const start: Command = {
  names: ["start"],
  about: "start a container that has been created",
  use: "[command options] CONTAINER",
  flags: [...taskFlags, { name: "pid-file", kind: "string", about: "file path to write the task's pid" }],
  async run(invocation) {
    const { args, ns } = invocation;
    const [id] = args;
    if (!id) throw new UsageError("container id must be provided: invalid argument");
    const services = await invocation.services();
    const code = await runTask(services, invocation, await services.containers.get(ns, id), false);
    return code;
  },
};

export const exec: Command = {
  names: ["exec"],
  about: "execute additional processes in an existing container",
  use: "[command options] [flags] CONTAINER CMD [ARG...]",
  flags: [
    { name: "cwd", kind: "string", about: "working directory of the new process" },
    { name: "tty", aliases: ["t"], kind: "boolean", about: "allocate a TTY for the container" },
    {
      name: "detach",
      aliases: ["d"],
      kind: "boolean",
      about: "detach from the task after it has started execution",
    },
    { name: "exec-id", kind: "string", about: "exec specific id for the process" },
    { name: "fifo-dir", kind: "string", about: "directory used for storing IO FIFOs" },
    { name: "log-uri", kind: "string", about: "log uri for custom shim logging" },
    { name: "user", kind: "string", about: "user id or name" },
  ],
  async run({ services: connect, ns, flags, args: [id, ...words] }) {
    if (!id) throw new UsageError("container id must be provided: invalid argument");
    const execId = flags.string("exec-id");
    if (execId === "") throw new UsageError("exec id must be provided: invalid argument");
    if (words.length === 0) throw new UsageError("args must be provided: invalid argument");
    const { containers, snapshots, tasks } = await connect();
    const container = await containers.get(ns, id);
    const { process: init } = JSON.parse(new TextDecoder().decode(container.spec.value)) as {
      process: Record<string, unknown>;
    };
    const terminal = flags.boolean("tty");
    const wanted = flags.string("user");
    let user = init["user"];
    if (wanted !== "") {
      const { resolveUser } = await import("../user.ts");
      const { snapshotter, snapshotKey } = container;
      const mounts =
        snapshotKey === "" ? [] : await snapshots.snapshotter(snapshotter).mounts(ns, snapshotKey);
      user = resolveUser(wanted, mounts);
    }
    const spec = {
      ...init,
      terminal,
      user,
      args: words,
      ...(flags.string("cwd") === "" ? {} : { cwd: flags.string("cwd") }),
    };
    const detach = flags.boolean("detach");
    const log = flags.string("log-uri");
    const stdio =
      detach || log !== ""
        ? ProcessIO.none(terminal)
        : ProcessIO.attach(execId, { terminal, directory: flags.string("fifo-dir") });
    try {
      await tasks.exec(ns, id, {
        execId,
        ...stdio.io,
        ...(log === "" ? {} : { stdout: log, stderr: log }),
        spec: {
          typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Process",
          value: new TextEncoder().encode(JSON.stringify(spec)),
        },
      });
      const over = detach ? undefined : tasks.wait(ns, id, execId);
      over?.catch(() => {});
      try {
        await tasks.start(ns, id, execId);
      } catch (error) {
        await tasks.deleteProcess(ns, id, execId).catch(() => {});
        throw error;
      }
      if (!over) return 0;
      stdio.connect(tasks, ns, id, execId);
      const { exitStatus } = await over;
      await stdio.finish();
      await tasks.deleteProcess(ns, id, execId);
      return exitStatus;
    } finally {
      await stdio.finish();
    }
  },
};
