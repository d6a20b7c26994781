// What the verbs of this folder share.
import { join } from "node:path";
import { log } from "../../../observe/log.ts";
import type { Snapshotter } from "../../../wire/containerd/services.ts";
import type { Remap } from "../config/remap.ts";
import type { Engine } from "../engine.ts";
import type { ExecStore } from "../exec/store.ts";
import type { Container, Places } from "./container.ts";
import type { ContainerDisk } from "./disk.ts";
import type { Registry } from "./registry.ts";

export interface Room {
  readonly engine: Engine;
  readonly registry: Registry;
  readonly disk: ContainerDisk;
  readonly execs: ExecStore;
  /** Path of the docker-init file, written on first use. */
  initBinary(): Promise<string>;
  /** Set while the engine goes down: exits are recorded, nothing is restarted. */
  stopping: boolean;
}

export function placesOf(engine: Engine, id: string): Places {
  return {
    directory: join(engine.config.dataRoot, "containers", id),
    bundle: join(engine.config.execRoot, "libcontainerd", id),
  };
}

export function snapshotterOf(room: Room): Snapshotter {
  return room.engine.services.snapshots.snapshotter(room.engine.config.snapshotter);
}

/** The id maps of the container's user namespace; undefined when it has the host's. */
export function remapOf(room: Room, container: Container): Remap | undefined {
  return container.host.UsernsMode === "host" ? undefined : room.engine.config.remap;
}

/** Publishes one of docker's container events. */
export function containerEvent(
  room: Room,
  container: Container,
  action: string,
  extra: Readonly<Record<string, string>> = {},
): void {
  room.engine.events.publish("container", action, {
    ID: container.id,
    Attributes: container.eventAttributes(extra),
  });
}

/** Keeps the record on disk. A disk that refuses is reported: the container in the kernel is what it is. */
export function persist(room: Room, container: Container): void {
  try {
    room.disk.save(container.record);
  } catch (error) {
    log("error", "container's state cannot be written", { container: container.id, error });
  }
}
