// Whether and when a container that has ended is started again. moby: restartmanager
import type { RestartPolicy } from "../../../spec/engine/host-config.ts";

const FIRST_DELAY = 100;
const LONGEST_DELAY = 60_000;
/** A run that lasted this long makes the next delay short again. */
export const STEADY_RUN = 10_000;

export interface EndedRun {
  exitCode: number;
  /** How long it ran, in milliseconds. */
  lasted: number;
  /** Restarts in a row so far, short runs only. */
  failures: number;
  /** Restarts in all since the container was last started by hand. */
  restartCount: number;
  /** Somebody asked for the end (stop, kill, rm). */
  stoppedByHand: boolean;
}

/** Milliseconds until the next start; undefined when there is none. */
export function restartDelay(policy: RestartPolicy, run: EndedRun): number | undefined {
  if (run.stoppedByHand) return undefined;
  const wanted =
    policy.Name === "always" ||
    policy.Name === "unless-stopped" ||
    (policy.Name === "on-failure" &&
      run.exitCode !== 0 &&
      (policy.MaximumRetryCount === 0 || run.restartCount < policy.MaximumRetryCount));
  if (!wanted) return undefined;
  const failures = run.lasted >= STEADY_RUN ? 0 : run.failures;
  return Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(failures, 20));
}

/** Whether a container that is found stopped at the engine's start is to run. */
export function startsWithEngine(policy: RestartPolicy, stoppedByHand: boolean, exitCode: number): boolean {
  if (policy.Name === "always") return true;
  if (stoppedByHand) return false;
  return policy.Name === "unless-stopped" || (policy.Name === "on-failure" && exitCode !== 0);
}
