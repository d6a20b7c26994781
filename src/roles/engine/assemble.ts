// The engine's parts put together, over whatever containerd and networks it is given.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "../../store/atomic.ts";
import type { Services } from "../../wire/containerd/services.ts";
import { findRuntime } from "./config/runtimes.ts";
import type { EngineConfig } from "./config/types.ts";
import type { ContainersPort, Engine } from "./engine.ts";
import { openImages } from "./images/open.ts";
import type { Networks } from "./network/types.ts";
import { Swarm } from "./swarm/cluster.ts";
import { EventBus } from "./system/events.ts";
import { openVolumes } from "./volumes/open.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

// As dockerd: made once, kept below the data root, so that an installation can be told from another.
function engineId(dataRoot: string): string {
  const path = join(dataRoot, "engine-id");
  try {
    const id = readFileSync(path, "utf8").trim();
    if (UUID.test(id)) return id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const id = randomUUID();
  writeAtomic(path, id);
  return id;
}

export interface EngineParts {
  config: EngineConfig;
  services: Services;
  networks: Networks;
  containerdAddress: string;
  shutdown: AbortSignal;
  createContainers(engine: Engine): Promise<ContainersPort>;
}

/** Builds the engine and its containers; nothing is loaded or started yet. */
export async function assembleEngine(parts: EngineParts): Promise<Engine> {
  const { config, services, networks, containerdAddress, shutdown } = parts;
  const events = new EventBus();
  const namespace = config.containerdNamespace;
  const engine: Omit<Engine, "containers"> & { containers?: ContainersPort } = {
    config,
    id: engineId(config.dataRoot),
    namespace,
    containerdAddress,
    services,
    networks,
    events,
    images: openImages({
      services,
      namespace,
      config,
      events,
      users: (imageId) => engine.containers?.usingImage(imageId) ?? [],
    }),
    volumes: openVolumes(
      join(config.dataRoot, "volumes"),
      events,
      (name) => engine.containers?.usingVolume(name) ?? [],
      config.remap?.root,
    ),
    swarm: new Swarm(join(config.dataRoot, "swarm")),
    runtime: (name) => findRuntime(config, name),
    shutdown,
  };
  engine.containers = await parts.createContainers(engine as Engine);
  return engine as Engine;
}
