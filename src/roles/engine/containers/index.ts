// The containers part of the engine: what the composition root puts in, and what the rest of the engine asks of it.
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { arch } from "../../../../ffi/arch/index.ts";
import { log } from "../../../observe/log.ts";
import type { ContainerSummary } from "../../../spec/engine/container.ts";
import { writeAtomic } from "../../../store/atomic.ts";
import type { ContainersPort, Engine } from "../engine.ts";
import { startExecRequest } from "../exec/attach.ts";
import { ExecStore } from "../exec/store.ts";
import { stopWatching } from "../health/monitor.ts";
import type { HijackRoute } from "../server/hijack.ts";
import { Filters } from "../server/request.ts";
import { attachContainer, attachWebsocket } from "./attach.ts";
import { ContainerDisk } from "./disk.ts";
import { killHard, sendSignal, stopSignal, untilStopped } from "./kill.ts";
import { listContainers } from "./list.ts";
import { type Found, loadContainers, resumeContainers } from "./load.ts";
import { Registry } from "./registry.ts";
import type { Room } from "./room.ts";
import { watchTasks } from "./watch.ts";

export { execRoutes } from "../exec/routes.ts";
export { containerRoutes } from "./routes.ts";

export class Containers implements ContainersPort {
  readonly room: Room;
  #found: Found = { ended: [], interrupted: [] };

  constructor(engine: Engine) {
    this.room = {
      engine,
      registry: new Registry(),
      disk: new ContainerDisk(join(engine.config.dataRoot, "containers")),
      execs: new ExecStore(),
      initBinary: () => initBinary(engine.config.execRoot),
      stopping: false,
    };
    mkdirSync(join(engine.config.execRoot, "libcontainerd"), { recursive: true, mode: 0o711 });
  }

  counts(): { total: number; running: number; paused: number; stopped: number } {
    const counts = { total: 0, running: 0, paused: 0, stopped: 0 };
    for (const { state } of this.room.registry.list()) {
      counts.total++;
      if (state.paused) counts.paused++;
      else if (state.running) counts.running++;
      else counts.stopped++;
    }
    return counts;
  }

  usingImage(imageId: string): { id: string; name: string; running: boolean }[] {
    return this.room.registry
      .list()
      .filter((container) => container.record.Image === imageId)
      .map((container) => ({ id: container.id, name: container.name, running: container.state.running }));
  }

  summaries(): Promise<ContainerSummary[]> {
    return listContainers(this.room, { all: true, limit: 0, size: true, filters: new Filters(new Map()) });
  }

  usingVolume(name: string): string[] {
    return this.room.registry
      .list()
      .filter((container) => Object.values(container.record.MountPoints).some((mount) => mount.Name === name))
      .map((container) => container.id);
  }

  async load(): Promise<ReadonlySet<string>> {
    const { live, found } = await loadContainers(this.room);
    this.#found = found;
    return live;
  }

  async resume(): Promise<void> {
    watchTasks(this.room);
    await resumeContainers(this.room, this.#found);
    this.#found = { ended: [], interrupted: [] };
  }

  async stop(): Promise<void> {
    const { room } = this;
    room.stopping = true;
    const containers = room.registry.list();
    for (const container of containers) {
      container.restart?.cancel();
      stopWatching(container, { quietly: true });
    }
    if (!room.engine.config.liveRestore) {
      await Promise.all(containers.map((container) => this.#shutDown(container)));
    }
    for (const container of containers) {
      container.streams.close();
      container.forward?.close();
    }
  }

  // Not as stopped by hand: an always-restarting container comes back with the engine.
  async #shutDown(container: ReturnType<Registry["get"]>): Promise<void> {
    const { room } = this;
    if (!container.state.running || container.state.restarting) return;
    const { shutdownTimeout } = room.engine.config;
    const grace = container.record.Config.StopTimeout ?? shutdownTimeout;
    try {
      container.stopping = true;
      await sendSignal(room, container, stopSignal(container));
      if (!(await untilStopped(room, container, grace < 0 ? -1 : grace * 1000)))
        await killHard(room, container);
    } catch (error) {
      log("error", "container cannot be stopped with the engine", { container: container.id, error });
    }
  }
}

/** A container's PID 1 for --init, written once a boot. */
async function initBinary(execRoot: string): Promise<string> {
  const path = join(execRoot, "docker-init");
  if (!existsSync(path)) {
    const { assembleInit } = await import("../../../launcher/init.ts");
    writeAtomic(path, assembleInit(arch), { mode: 0o755, durable: false });
  }
  return path;
}

export async function createContainers(engine: Engine): Promise<Containers> {
  return new Containers(engine);
}

/** The containers part behind an engine, for its own routes. */
export function roomOf(engine: Engine): Room {
  if (engine.containers instanceof Containers) return engine.containers.room;
  throw new Error("the engine's containers are not the ones these routes are for");
}

export const hijackRoutes: readonly HijackRoute[] = [
  {
    method: "POST",
    path: "/containers/:id/attach",
    handle: async (engine, hijack) => {
      const room = roomOf(engine);
      await attachContainer(room, room.registry.get(hijack.params["id"]!), hijack);
    },
  },
  {
    method: "GET",
    path: "/containers/:id/attach/ws",
    handle: async (engine, hijack) => {
      const room = roomOf(engine);
      await attachWebsocket(room, room.registry.get(hijack.params["id"]!), hijack);
    },
  },
  {
    method: "POST",
    path: "/exec/:id/start",
    handle: (engine, hijack) => startExecRequest(roomOf(engine), hijack),
  },
];
