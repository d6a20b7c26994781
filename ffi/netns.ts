// Work in another network namespace. The namespace belongs to the thread, so everything here is synchronous, and the
// thread is back before anything else of the program runs. man 2 setns, man 7 network_namespaces.
import { O_RDONLY } from "./constants/fcntl.ts";
import { CLONE_NEWNET } from "./constants/sched.ts";
import { type FdLike, fdNumber } from "./fd.ts";
import { open } from "./file.ts";
import { syscall } from "./libc.ts";

/**
 * Runs `work` with this thread in the network namespace that `netns` is open on (sockets made and /proc/sys/net written
 * there belong to it), then returns to the one before. `work` must not be async and must start no threads: they would
 * inherit the namespace. When there is no way back the process aborts, because all it did next would hit the wrong network.
 * Throws what `work` throws, and SyscallError.
 */
export function inNetns<T>(netns: FdLike, work: () => T extends Promise<unknown> ? never : T): T {
  using home = open("/proc/thread-self/ns/net", O_RDONLY);
  syscall("setns", `netns ${typeof netns === "number" ? netns : netns.path}`, fdNumber(netns), CLONE_NEWNET);
  try {
    return work();
  } finally {
    try {
      syscall("setns", home.path, home.number, CLONE_NEWNET);
    } catch (error) {
      process.stderr.write(`cannot return to the host's network namespace: ${error}\n`);
      process.abort();
    }
  }
}
