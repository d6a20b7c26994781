import { linkText } from "../../../../ffi/path.ts";
import { isAlive } from "../../../../ffi/process.ts";
import { runHooks } from "./hooks.ts";
import type { ContainerState } from "./state.ts";
import { stateDocument } from "./status.ts";

const DEADLINE = 10_000;

/**
 * The poststart hooks, once the container's program runs. Throws when one fails: then the container is to be stopped and
 * destroyed (runtime.md#lifecycle, steps 8 and 9; a warning until runtime-spec 1.2.1).
 */
export async function runPoststart(state: ContainerState): Promise<void> {
  const hooks = state.config.hooks?.poststart;
  if (!hooks?.length) return;
  await untilExecuted(state.init_process_pid, state.init_process_start);
  await runHooks("poststart", hooks, stateDocument(state, "running"));
}

/** Waits until the program has taken the launcher's place. What cannot be seen (another user's process) is not waited for. */
async function untilExecuted(pid: number, start: number): Promise<void> {
  const end = performance.now() + DEADLINE;
  while (performance.now() < end && isAlive(pid, start)) {
    try {
      if (!linkText(`/proc/${pid}/exe`).startsWith("/memfd:launcher")) return;
    } catch {
      return;
    }
    await Bun.sleep(1);
  }
}
