import { type Command, UsageError } from "../command.ts";
import { ProcessIO, removeFifos } from "../task-io.ts";

export const attach: Command = {
  names: ["attach"],
  about: "attach to the IO of a running container",
  use: "CONTAINER",
  async run({ services, ns, args: [id] }) {
    if (!id) throw new UsageError("container id must be provided: invalid argument");
    const { containers, tasks } = await services();
    await containers.get(ns, id);
    const task = await tasks.get(ns, id);
    const stdio = ProcessIO.existing(task);
    try {
      const over = tasks.wait(ns, id);
      over.catch(() => {});
      stdio.connect(tasks, ns, id);
      const { exitStatus } = await over;
      await stdio.finish();
      // As containerd's ctr does: whoever saw the end takes the task away.
      await tasks.delete(ns, id);
      removeFifos(task);
      return exitStatus;
    } finally {
      await stdio.finish();
    }
  },
};
