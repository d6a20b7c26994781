// GET /containers/{id}/json
import type { ContainerInspect } from "../../../spec/engine/container.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import type { Container } from "./container.ts";
import { shownLinks } from "./legacy-links.ts";
import { shownMounts } from "./mount-points.ts";
import { networkSettings } from "./network.ts";
import { type Room, snapshotterOf } from "./room.ts";

/** Bytes that the container itself has written, and with its image's layers. */
export async function containerSizes(
  room: Room,
  container: Container,
): Promise<{ rw: number; rootFs: number }> {
  const snapshotter = snapshotterOf(room);
  const { namespace } = room.engine;
  const own = await snapshotter.usage(namespace, container.id);
  let total = own.size;
  try {
    for (let name = container.record.ChainID; name !== ""; ) {
      total += (await snapshotter.usage(namespace, name)).size;
      name = (await snapshotter.stat(namespace, name)).parent;
    }
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
  }
  return { rw: own.size, rootFs: total };
}

export async function inspectContainer(
  room: Room,
  container: Container,
  size: boolean,
): Promise<ContainerInspect> {
  const { record, host, state } = container;
  const sizes = size ? await containerSizes(room, container) : undefined;
  return {
    Id: container.id,
    Created: record.Created,
    Path: record.Path,
    Args: record.Args,
    State: state.inspect(),
    Image: record.Image,
    ResolvConfPath: record.HasBeenStartedBefore ? record.ResolvConfPath : "",
    HostnamePath: record.HasBeenStartedBefore ? record.HostnamePath : "",
    HostsPath: record.HasBeenStartedBefore ? record.HostsPath : "",
    LogPath: record.LogPath,
    Name: record.Name,
    RestartCount: record.RestartCount,
    Driver: record.Driver,
    Platform: record.OS,
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: record.AppArmorProfile,
    ExecIDs: room.execs.idsOf(container.id),
    HostConfig: { ...host, Links: shownLinks(room, container) },
    GraphDriver: await graphDriver(room, container),
    ...(sizes ? { SizeRw: sizes.rw, SizeRootFs: sizes.rootFs } : {}),
    Mounts: shownMounts(record.MountPoints),
    Config: record.Config,
    NetworkSettings: networkSettings(room, container),
  };
}

// The directories of the snapshot, by the names that overlay2 gave them.
async function graphDriver(room: Room, container: Container): Promise<ContainerInspect["GraphDriver"]> {
  const Name = container.record.Driver;
  try {
    const [mount] = await snapshotterOf(room).mounts(room.engine.namespace, container.id);
    const option = (key: string): string | undefined =>
      mount?.options.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1);
    const upper = option("upperdir");
    if (upper === undefined) return { Name, Data: null };
    return {
      Name,
      Data: { LowerDir: option("lowerdir") ?? "", UpperDir: upper, WorkDir: option("workdir") ?? "" },
    };
  } catch {
    return { Name, Data: null };
  }
}

/** Before API 1.45 a container's short id and host name were among its aliases on networks with names. */
export function addOldAliases({ Id, Config, NetworkSettings }: ContainerInspect): void {
  for (const [name, endpoint] of Object.entries(NetworkSettings.Networks)) {
    if (["bridge", "host", "none", "default"].includes(name)) continue;
    endpoint.Aliases = [...new Set([...(endpoint.Aliases ?? []), Id.slice(0, 12), Config.Hostname])];
  }
}
