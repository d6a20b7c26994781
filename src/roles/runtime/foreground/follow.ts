// A process in the foreground: signals go on to it, and its end is ours.
import { reap } from "../../../../ffi/wait.ts";

/** What people and supervisors send; each handler costs the start some time, so the rest keep their default. */
const FORWARDED: readonly NodeJS.Signals[] = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGCONT",
  "SIGTSTP",
  "SIGALRM",
  "SIGPWR",
];

/**
 * Waits for a child of this process and resolves to its exit code (128+n for a signal). The signals people send are
 * passed on; SIGWINCH calls `resize`.
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
    for (const name of FORWARDED) {
      on(name, () => {
        try {
          process.kill(pid, name);
        } catch {
          // It has just ended; SIGCHLD is on its way.
        }
      });
    }
    if (resize) on("SIGWINCH", resize);
    on("SIGCHLD", check);
    // Signal handlers do not keep the event loop; this does, and asks nothing.
    const alive = setInterval(() => {}, 1 << 30);
    check();
  });
}
