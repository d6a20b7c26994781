// POST /containers/create: checks everything, then makes the directory, the snapshot and the record, in an order that a
// crash cannot turn into half a container: without config.v2.json, which comes last, the next start of the engine clears it all.
import { mkdirSync, writeFileSync } from "node:fs";
import { hostname as ownHostname } from "node:os";
import { join } from "node:path";
import { log } from "../../../observe/log.ts";
import { traced } from "../../../observe/trace.ts";
import type {
  ContainerConfig,
  ContainerCreate,
  ContainerCreateResponse,
} from "../../../spec/engine/container.ts";
import { goJson } from "../../../spec/engine/go-json.ts";
import { type HostConfig, hostConfig } from "../../../spec/engine/host-config.ts";
import { badRequest } from "../errors.ts";
import type { StoredImage } from "../images/store.ts";
import { containerAction } from "../system/counts.ts";
import { Container } from "./container.ts";
import { checkHost, withHostDefaults } from "./host-defaults.ts";
import { newId } from "./id.ts";
import { commandOf, withImageDefaults } from "./image-defaults.ts";
import { settleLinks } from "./legacy-links.ts";
import { step } from "./mailbox.ts";
import { settleMounts } from "./mount-points.ts";
import { checkName, randomName } from "./names.ts";
import { askedNetworks } from "./network.ts";
import { newRecord } from "./record.ts";
import { containerEvent, placesOf, type Room, snapshotterOf } from "./room.ts";
import { writableLayer } from "./rootfs.ts";
import { goNow } from "./time.ts";
import { removeAnonymousVolumes } from "./volumes.ts";

const OS_ARCH: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

// Only one platform can run here; the client learns of another one rather than of an exec format error.
function platformWarnings(image: StoredImage, platform: string | undefined): string[] {
  const host = OS_ARCH[process.arch] ?? process.arch;
  const { os, architecture } = image.config;
  if (platform) {
    const [wantedOs, wantedArch] = platform.split("/");
    if (wantedOs !== os || (wantedArch !== undefined && wantedArch !== architecture)) {
      throw badRequest(
        `image with reference was found but its platform (${os}/${architecture}) does not match the specified platform (${platform})`,
      );
    }
  } else if (architecture !== host) {
    return [
      `The requested image's platform (${os}/${architecture}) does not match the detected host platform (linux/${host}) and no specific platform was requested`,
    ];
  }
  return [];
}

function defaultHostname(config: ContainerConfig, host: HostConfig, id: string): string {
  if (config.Hostname !== "") return config.Hostname;
  return host.NetworkMode === "host" || host.UTSMode === "host" ? ownHostname() : id.slice(0, 12);
}

// A network that is not there (yet) is refused by the start, as docker does: it may have been made by then.
function checkNetworks(room: Room, request: ContainerCreate, host: HostConfig): void {
  const mode = host.NetworkMode;
  if (mode.startsWith("container:")) {
    const other = mode.slice("container:".length);
    room.registry.get(other);
    if (request.Hostname !== "") {
      throw badRequest("conflicting options: hostname and the network mode");
    }
    if (Object.keys(host.PortBindings ?? {}).length > 0 || host.PublishAllPorts) {
      throw badRequest("conflicting options: port publishing and the container type network mode");
    }
  }
}

/** @param name "" asks for a random one */
export async function createContainer(
  room: Room,
  request: ContainerCreate,
  options: { name: string; platform?: string },
): Promise<ContainerCreateResponse> {
  const { engine, registry } = room;
  const { HostConfig, NetworkingConfig, ...own } = request;
  const askedHost = HostConfig ?? goJson(hostConfig, {}, "HostConfig");
  if (own.Image === "") throw badRequest("no image specified");
  const image = await engine.images.get(own.Image);
  const warnings = platformWarnings(image, options.platform);
  const config = withImageDefaults(own, image.config.config ?? {});
  checkHost(config, askedHost, engine.config);
  const runtime = engine.runtime(askedHost.Runtime);
  const host = settleLinks(room, withHostDefaults(askedHost, engine.config, runtime.name));
  checkNetworks(room, request, host);

  const id = newId();
  config.Hostname = host.NetworkMode.startsWith("container:") ? "" : defaultHostname(config, host, id);
  const name =
    options.name === "" ? randomName((taken) => registry.nameTaken(taken)) : checkName(options.name);
  registry.reserve(name, id);
  try {
    const container = await traced("engine", "create container", id, () =>
      containerAction("create", () =>
        make(room, {
          id,
          name,
          image,
          config,
          host,
          networks: askedNetworks(engine.networks, host.NetworkMode, NetworkingConfig?.EndpointsConfig ?? {}),
        }),
      ),
    );
    registry.add(container);
    containerEvent(room, container, "create");
    return { Id: id, Warnings: warnings };
  } catch (error) {
    registry.release(name, id);
    throw error;
  }
}

interface Making {
  id: string;
  name: string;
  image: StoredImage;
  config: ContainerConfig;
  host: HostConfig;
  networks: Container["record"]["Networks"];
}

async function make(room: Room, making: Making): Promise<Container> {
  const { engine, registry, disk } = room;
  const { id, config, host, image } = making;
  const places = placesOf(engine, id);
  const snapshotter = snapshotterOf(room);
  const madeVolumes: string[] = [];
  let prepared = false;
  disk.create(id);
  try {
    // A root for the garbage collector: containerd knows of the container only while its task lives.
    const labels = { "containerd.io/gc.root": new Date().toISOString() };
    const mounts = await step("snapshot", snapshotter.prepare(engine.namespace, id, image.chainId, labels));
    prepared = true;
    markAsContainer(writableLayer(mounts));
    const settled = settleMounts({
      config,
      host,
      mountsOf: (other) => registry.get(other).record.MountPoints,
      createVolume: (request) => {
        const volume = engine.volumes.create(request);
        if (request.name === undefined) madeVolumes.push(volume.name);
        return volume;
      },
    });
    const command = commandOf(config);
    const record = newRecord({
      ID: id,
      Created: goNow(),
      Name: `/${making.name}`,
      Path: command[0]!,
      Args: command.slice(1),
      Config: config,
      Image: image.id,
      ChainID: image.chainId,
      Driver: engine.config.snapshotter,
      Networks: making.networks,
      MountPoints: settled,
      LogPath: host.LogConfig.Type === "json-file" ? join(places.directory, `${id}-json.log`) : "",
      HostnamePath: join(places.directory, "hostname"),
      HostsPath: join(places.directory, "hosts"),
      ResolvConfPath: join(places.directory, "resolv.conf"),
    });
    if (host.LogConfig.Type === "local") mkdirSync(join(places.directory, "local-logs"), { mode: 0o700 });
    disk.saveHost(id, host);
    disk.save(record);
    return new Container(record, host, places);
  } catch (error) {
    await removeAnonymousVolumes(room, madeVolumes);
    if (prepared) {
      await snapshotter.remove(engine.namespace, id).catch((second: unknown) => {
        log("error", "snapshot of a failed container cannot be removed", { container: id, error: second });
      });
    }
    disk.remove(id);
    throw error;
  }
}

// How programs find out that they run in a container; docker puts it into every one. The layer is new and mounted nowhere.
function markAsContainer(layer: string | undefined): void {
  if (layer !== undefined) writeFileSync(join(layer, ".dockerenv"), "", { mode: 0o755, flag: "wx" });
}
