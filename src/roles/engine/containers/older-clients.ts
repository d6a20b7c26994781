// Requests as the clients of older API versions mean them: fields that their version does not know are not heard, and its defaults
// hold. moby: daemon/server/router/container/container_routes.go; docs/api/version-history.md
import type { ContainerCreate } from "../../../spec/engine/container.ts";
import type { ContainerUpdate, HostConfig } from "../../../spec/engine/host-config.ts";
import type { Mount } from "../../../spec/engine/mount.ts";
import { badRequest } from "../errors.ts";
import { atLeast } from "../server/version.ts";

/** Before 1.42 options of another type than the mount's own were not looked at. */
function ownOptions({ BindOptions, VolumeOptions, TmpfsOptions, ...mount }: Mount): Mount {
  return {
    ...mount,
    // Whether the source was to be made could not be said either.
    ...(BindOptions && mount.Type === "bind"
      ? { BindOptions: { ...BindOptions, CreateMountpoint: undefined } }
      : {}),
    ...(VolumeOptions && mount.Type === "volume" ? { VolumeOptions } : {}),
    ...(TmpfsOptions && mount.Type === "tmpfs" ? { TmpfsOptions } : {}),
  };
}

const recursive = (mount: Mount): Mount =>
  mount.BindOptions ? { ...mount, BindOptions: { ...mount.BindOptions, NonRecursive: undefined } } : mount;

// Where the newer meaning would be dangerous to leave out, the request is refused.
function refuseNewer(version: string, request: ContainerCreate, mounts: readonly Mount[]): void {
  if (atLeast(version, "1.48")) return;
  if (mounts.some(({ Type }) => Type === "image")) {
    throw badRequest("Mount type image needs API v1.48 or newer");
  }
  if (atLeast(version, "1.45")) return;
  if (mounts.some(({ VolumeOptions }) => VolumeOptions?.Subpath)) {
    throw badRequest("VolumeOptions.Subpath needs API v1.45 or newer");
  }
  if (atLeast(version, "1.44")) return;
  if (mounts.some(({ Type, BindOptions }) => Type === "bind" && BindOptions?.ReadOnlyForceRecursive)) {
    throw badRequest("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer");
  }
  const endpoints = Object.keys(request.NetworkingConfig?.EndpointsConfig ?? {});
  if (endpoints.length > 1) {
    throw badRequest(`Container cannot be created with multiple network endpoints: ${endpoints.join(", ")}`);
  }
}

function hostFor(version: string, given: HostConfig, cgroupVersion: string): HostConfig {
  const host = { ...given };
  // Gone since: whatever it is set to is not heard.
  if (atLeast(version, "1.42")) host.KernelMemory = undefined;
  if (!atLeast(version, "1.43")) host.Annotations = undefined;
  if (!atLeast(version, "1.42")) {
    host.ConsoleSize = [0, 0];
    host.Mounts = host.Mounts?.map(ownOptions);
  }
  if (!atLeast(version, "1.41") && cgroupVersion === "1" && host.CgroupnsMode === "") {
    host.CgroupnsMode = "host";
  }
  if (!atLeast(version, "1.40")) {
    host.Mounts = host.Mounts?.map(recursive);
    host.KernelMemoryTCP = undefined;
    if (host.IpcMode === "") host.IpcMode = "shareable";
  }
  return host;
}

/** A create request of the API version. ApiError 400 for what must not be left out silently. */
export function createFor(version: string, request: ContainerCreate, cgroupVersion: string): ContainerCreate {
  const { HostConfig: host, Healthcheck: health } = request;
  refuseNewer(version, request, host?.Mounts ?? []);
  return {
    ...request,
    ...(host ? { HostConfig: hostFor(version, host, cgroupVersion) } : {}),
    ...(health && !atLeast(version, "1.44") ? { Healthcheck: { ...health, StartInterval: undefined } } : {}),
  };
}

/** An update request of the API version. */
export function updateFor(version: string, update: ContainerUpdate): ContainerUpdate {
  return {
    ...update,
    ...(atLeast(version, "1.42") ? { KernelMemory: undefined } : {}),
    ...(atLeast(version, "1.40") ? {} : { PidsLimit: null }),
  };
}
