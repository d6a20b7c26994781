// The part of a container's configuration that an image keeps.
import type { ContainerConfig } from "../../../spec/engine/container.ts";
import type { ImageRunConfig } from "../../../spec/engine/image.ts";

const KEPT = [
  "User",
  "ExposedPorts",
  "Env",
  "Cmd",
  "Healthcheck",
  "ArgsEscaped",
  "Volumes",
  "WorkingDir",
  "Entrypoint",
  "OnBuild",
  "Labels",
  "StopSignal",
  "StopTimeout",
  "Shell",
] as const satisfies readonly (keyof ImageRunConfig)[];

const isEmpty = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === "" ||
  value === false ||
  (typeof value === "object" && Object.keys(value).length === 0);

/** What is empty is left out, as Go's omitempty leaves it out of an OCI config. */
export function runConfig(config: ImageRunConfig | ContainerConfig): ImageRunConfig {
  return Object.fromEntries(KEPT.map((key) => [key, config[key]]).filter(([, value]) => !isEmpty(value)));
}
