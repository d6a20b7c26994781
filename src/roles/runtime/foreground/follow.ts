// A process in the foreground: signals go on to it, and its end is ours.
import { constants } from "node:os";
import { reap } from "../../../../ffi/wait.ts";

/** Signals that are not the container's business: job control of the kernel's, and our own children's. */
const KEPT = new Set([
  "SIGCHLD",
  "SIGKILL",
  "SIGSTOP",
  "SIGPIPE",
  "SIGURG",
  "SIGSEGV",
  "SIGBUS",
  "SIGFPE",
  "SIGILL",
  "SIGABRT",
  "SIGIOT",
  "SIGTRAP",
  "SIGPROF",
  "SIGSYS",
]);

/**
 * Waits for a child of this process and resolves to its exit code (128+n for a signal). Every signal that this process
 * gets is passed on; SIGWINCH calls `resize`.
 */
export function follow(pid: number, resize?: () => void): Promise<number> {
  return new Promise((resolve) => {
    const handlers: [string, () => void][] = [];
    const check = () => {
      const ended = reap(pid);
      if (!ended) return;
      for (const [name, handler] of handlers) process.removeListener(name as NodeJS.Signals, handler);
      clearInterval(alive);
      resolve(ended.exitStatus);
    };
    const on = (name: string, handler: () => void) => {
      handlers.push([name, handler]);
      process.on(name as NodeJS.Signals, handler);
    };
    for (const name of Object.keys(constants.signals)) {
      if (KEPT.has(name)) continue;
      if (name === "SIGWINCH") {
        if (resize) on(name, resize);
        continue;
      }
      on(name, () => {
        try {
          process.kill(pid, name as NodeJS.Signals);
        } catch {
          // It has just ended; SIGCHLD is on its way.
        }
      });
    }
    on("SIGCHLD", check);
    // Signal handlers do not keep the event loop; this does, and asks nothing.
    const alive = setInterval(() => {}, 1 << 30);
    check();
  });
}
