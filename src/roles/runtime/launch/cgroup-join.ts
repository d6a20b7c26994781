// Joining cgroups without waiting: on v1 the single-threaded launcher writes "0" to each `tasks` file, which the kernel
// does at once, where a pid written to cgroup.procs waits for an RCU grace period (5–16 ms).
import { O_CLOEXEC, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { bits, type Slot } from "../../../launcher/plan.ts";
import { AT_FDCWD, type Context } from "./context.ts";

/** Opens the `tasks` files while the host's paths and privileges are still there. */
export function openTasks({ plan }: Context, directories: readonly string[]): Slot[] {
  return directories.map((directory) => {
    const fd = plan.slot("tasks");
    plan.call("openat", [AT_FDCWD, plan.string(`${directory}/tasks`), bits({ O_WRONLY, O_CLOEXEC })], {
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
