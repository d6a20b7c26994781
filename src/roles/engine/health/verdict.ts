// From one check's outcome to the container's health. moby: daemon/health.go handleProbeResult
import type { Health, HealthLog } from "../../../spec/engine/container.ts";
import type { Check } from "./config.ts";

/** Results that inspect shows. */
const LOG_LENGTH = 5;

export const startingHealth = (before?: Health | null): Health => ({
  Status: "starting",
  FailingStreak: 0,
  Log: before?.Log ?? [],
});

/**
 * The health after one more result.
 * @param sinceStart milliseconds from the container's start to the check's
 */
export function judgeHealth(
  before: Health,
  result: HealthLog,
  check: Pick<Check, "startPeriod" | "retries">,
  sinceStart: number,
): Health {
  const Log = [...before.Log, result].slice(-LOG_LENGTH);
  if (result.ExitCode === 0) return { Status: "healthy", FailingStreak: 0, Log };
  // While it starts a failure does not count, and the first success ends that time.
  if (before.Status === "starting" && sinceStart < check.startPeriod) return { ...before, Log };
  const FailingStreak = before.FailingStreak + 1;
  return { Status: FailingStreak >= check.retries ? "unhealthy" : before.Status, FailingStreak, Log };
}

/** Milliseconds until the next check. */
export function nextCheck(status: Health["Status"], check: Check, sinceStart: number): number {
  return status === "starting" && sinceStart < check.startPeriod ? check.startInterval : check.interval;
}
