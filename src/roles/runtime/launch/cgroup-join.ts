import type { Slot } from "../../../launcher/plan.ts";
import { AT_FDCWD, type Context } from "./context.ts";
import { OPEN_WRITE } from "./open-flags.ts";

/** Opens the `tasks` files while the host's paths and privileges are still there. */
export function openTasks({ plan }: Context, directories: readonly string[]): Slot[] {
  return directories.map((directory) => {
    const fd = plan.slot("tasks");
    plan.call("openat", [AT_FDCWD, plan.string(`${directory}/tasks`), OPEN_WRITE], {
      into: fd,
      why: `opening cgroup ${directory}`,
    });
    return fd;
  });
}

/** Moves this process into them. */
export function joinTasks({ plan }: Context, tasks: readonly Slot[], directories: readonly string[]): void {
  tasks.forEach((fd, i) => {
    plan.call("write", [fd, plan.string("0"), 1], { why: `joining cgroup ${directories[i]}` });
  });
}
