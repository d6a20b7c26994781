// Health checks as images and people configure them: docker's refusals and defaults, and the command that a check is.
import type { ContainerConfig } from "../../../spec/engine/container.ts";
import { badRequest } from "../errors.ts";

type HealthConfig = Partial<NonNullable<ContainerConfig["Healthcheck"]>>;

const MILLISECOND = 1_000_000;
const SECOND = 1000 * MILLISECOND;

/** A container's check, in milliseconds. */
export interface Check {
  command: string[];
  interval: number;
  timeout: number;
  startPeriod: number;
  startInterval: number;
  retries: number;
}

/** ApiError 400 for durations and counts that cannot be. */
export function checkHealthConfig(health: HealthConfig | undefined): void {
  if (!health) return;
  const durations = ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const;
  for (const name of durations) {
    const value = health[name] ?? 0;
    if (value !== 0 && value < MILLISECOND)
      throw badRequest(`${name} in Healthcheck cannot be less than 1ms`);
  }
  if ((health.Retries ?? 0) < 0) throw badRequest("Retries in Healthcheck cannot be negative");
}

/** The container's own settings over the image's: what is not set is taken from there. */
export function mergedHealth(
  own: HealthConfig | undefined,
  image: HealthConfig | undefined,
): ContainerConfig["Healthcheck"] {
  if (!own && !image) return undefined;
  return {
    Test: own?.Test?.length ? own.Test : image?.Test,
    Interval: own?.Interval || image?.Interval,
    Timeout: own?.Timeout || image?.Timeout,
    StartPeriod: own?.StartPeriod || image?.StartPeriod,
    StartInterval: own?.StartInterval || image?.StartInterval,
    Retries: own?.Retries || image?.Retries,
  };
}

/** What is run to find out; undefined for a container without a check. */
export function checkOf(config: ContainerConfig): Check | undefined {
  const { Healthcheck: health } = config;
  const [kind, ...words] = health?.Test ?? [];
  if (!health || kind === undefined || kind === "NONE") return undefined;
  if (kind !== "CMD" && kind !== "CMD-SHELL") return undefined;
  const shell = config.Shell?.length ? config.Shell : ["/bin/sh", "-c"];
  const duration = (value: number | undefined, otherwise: number): number =>
    (value || otherwise) / MILLISECOND;
  return {
    command: kind === "CMD" ? words : [...shell, words.join(" ")],
    interval: duration(health.Interval, 30 * SECOND),
    timeout: duration(health.Timeout, 30 * SECOND),
    startPeriod: duration(health.StartPeriod, 0),
    startInterval: duration(health.StartInterval, 5 * SECOND),
    retries: health.Retries || 3,
  };
}

/** A duration in Go's spelling ("1.5s", "2m0s"), from milliseconds. */
export function goDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds}ms`;
  const seconds = milliseconds / 1000;
  const hours = Math.trunc(seconds / 3600);
  const minutes = Math.trunc((seconds % 3600) / 60);
  const rest = `${Number((seconds % 60).toFixed(3))}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
