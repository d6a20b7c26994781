// What the engine counts and times for its metrics, by dockerd's names. moby: daemon/metrics.go
import { counter, timer } from "../../../observe/metrics.ts";

export const NAMESPACE = "engine_daemon";

export const containerAction = timer(
  `${NAMESPACE}_container_actions_seconds`,
  "The number of seconds it takes to process each container action",
  "action",
);
export const networkAction = timer(
  `${NAMESPACE}_network_actions_seconds`,
  "The number of seconds it takes to process each network action",
  "action",
);
export const countHealthCheck = counter(
  `${NAMESPACE}_health_checks_total`,
  "The total number of health checks",
);
export const countFailedHealthCheck = counter(
  `${NAMESPACE}_health_checks_failed_total`,
  "The total number of failed health checks",
);
export const countEvent = counter(`${NAMESPACE}_events_total`, "The number of events logged");
export const countBuild = counter("builder_builds_triggered_total", "Number of triggered image builds");
export const countFailedBuild = counter("builder_builds_failed_total", "Number of failed image builds");
