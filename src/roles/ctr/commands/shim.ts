// A task's shim, asked without containerd between.
import { existsSync, readFileSync } from "node:fs";
import { TtrpcClient } from "../../../wire/ttrpc/client.ts";
import { TaskV2 } from "../../../wire/ttrpc/messages/task.ts";
import { STATUS } from "../../../wire/ttrpc/messages/types.ts";
import { dateOf } from "../../../wire/ttrpc/messages/well-known.ts";
import type { Caller } from "../../../wire/ttrpc/service.ts";
import { shimSockets } from "../../../wire/ttrpc/shim-address.ts";
import { type Command, type Group, type Invocation, UsageError } from "../command.ts";
import { json } from "../format.ts";

/** One conversation with the shim of --id. Throws UsageError when there is none. */
async function talk<T>(
  { flags, ns, address }: Invocation,
  about: (task: Caller<typeof TaskV2>, id: string) => Promise<T>,
): Promise<T> {
  const id = flags.string("id");
  if (id === "") throw new UsageError("container id must be specified");
  const places = shimSockets(address, ns, id);
  const found = places.find((path) => existsSync(path));
  if (!found)
    throw new UsageError(`no shim of ${id} in namespace ${ns}: no socket at ${places.join(" or ")}`);
  const client = await TtrpcClient.connect(found);
  try {
    return await about(client.service(TaskV2), id);
  } finally {
    client.close();
  }
}

const start: Command = {
  names: ["start"],
  about: "start a container with a task",
  use: "",
  async run(invocation) {
    await talk(invocation, (task, id) => task.start({ id }));
    return 0;
  },
};

const remove: Command = {
  names: ["delete"],
  about: "delete a container with a task",
  use: "",
  async run(invocation) {
    const { exitStatus } = await talk(invocation, (task, id) => task.delete({ id }));
    invocation.out(`container deleted and returned exit status ${exitStatus}\n`);
    return 0;
  },
};

const state: Command = {
  names: ["state"],
  about: "get the state of all the processes of the task",
  use: "",
  async run(invocation) {
    const { exitedAt, status, ...rest } = await talk(invocation, (task, id) => task.state({ id }));
    const name = Object.entries(STATUS).find(([, number]) => number === status)?.[0] ?? status;
    invocation.out(json({ ...rest, status: name, exitedAt: dateOf(exitedAt) }));
    return 0;
  },
};

const exec: Command = {
  names: ["exec"],
  about: "exec a new process in the task's container",
  use: "[command options] EXEC-ID",
  flags: [
    { name: "stdin", kind: "string", about: "specify the path to the stdin fifo" },
    { name: "stdout", kind: "string", about: "specify the path to the stdout fifo" },
    { name: "stderr", kind: "string", about: "specify the path to the stderr fifo" },
    { name: "tty", aliases: ["t"], kind: "boolean", about: "enable tty support" },
    { name: "spec", kind: "string", about: "runtime spec" },
  ],
  async run(invocation) {
    const { flags, args, out } = invocation;
    const [execId] = args;
    if (!execId) throw new UsageError("exec id must be provided");
    const spec = readFileSync(flags.string("spec"));
    const pid = await talk(invocation, async (task, id) => {
      await task.exec({
        id,
        execId,
        stdin: flags.string("stdin"),
        stdout: flags.string("stdout"),
        stderr: flags.string("stderr"),
        terminal: flags.boolean("tty"),
        spec: { typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Process", value: spec },
      });
      return (await task.start({ id, execId })).pid;
    });
    out(`exec running with pid ${pid}\n`);
    return 0;
  },
};

export const shim: Group = {
  about: "interact with a shim directly",
  flags: [{ name: "id", kind: "string", about: "container id" }],
  commands: [remove, exec, start, state],
};
