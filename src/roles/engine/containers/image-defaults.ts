// What a container takes from its image where its creator said nothing. moby: daemon/commit.go merge
import type { ContainerConfig } from "../../../spec/engine/container.ts";
import type { ImageRunConfig } from "../../../spec/engine/image.ts";
import { badRequest } from "../errors.ts";
import { mergedHealth } from "../health/config.ts";

const nameOf = (entry: string): string => entry.split("=", 1)[0]!;

/** A new config; ApiError 400 "no command specified" when neither side has one. */
export function withImageDefaults(own: ContainerConfig, image: ImageRunConfig): ContainerConfig {
  const config: ContainerConfig = { ...own };
  if (config.User === "") config.User = image.User ?? "";
  if (config.WorkingDir === "") config.WorkingDir = image.WorkingDir ?? "";
  if (!config.StopSignal && image.StopSignal) config.StopSignal = image.StopSignal;
  if (config.StopTimeout === undefined && image.StopTimeout) config.StopTimeout = image.StopTimeout;
  if (image.ExposedPorts) config.ExposedPorts = { ...image.ExposedPorts, ...config.ExposedPorts };
  if (image.Volumes) config.Volumes = { ...image.Volumes, ...config.Volumes };
  config.Labels = { ...image.Labels, ...config.Labels };

  const given = new Set((config.Env ?? []).map(nameOf));
  config.Env = [...(config.Env ?? []), ...(image.Env ?? []).filter((entry) => !given.has(nameOf(entry)))];

  if (!config.Entrypoint?.length) {
    if (!config.Cmd?.length) config.Cmd = image.Cmd ?? config.Cmd;
    // An empty list (--entrypoint "") takes the image's away; only null asks for it.
    if (config.Entrypoint === null) config.Entrypoint = image.Entrypoint ?? null;
  }
  // `--entrypoint ""` arrives as [""], which means none.
  if (config.Entrypoint?.length === 1 && config.Entrypoint[0] === "") config.Entrypoint = null;
  const inherited = image.Healthcheck && { ...image.Healthcheck, Test: image.Healthcheck.Test ?? undefined };
  config.Healthcheck = mergedHealth(config.Healthcheck, inherited as ContainerConfig["Healthcheck"]);
  if (!config.Entrypoint?.length && !config.Cmd?.length) throw badRequest("no command specified");
  return config;
}

/** The program and its arguments. */
export function commandOf(config: ContainerConfig): string[] {
  return [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
}
