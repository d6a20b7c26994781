// The engine as its parts see each other. main.ts puts it together; routes and lifecycles take it as their one argument.
import type { ContainerSummary } from "../../spec/engine/container.ts";
import type { Services } from "../../wire/containerd/services.ts";
import type { EngineConfig } from "./config/types.ts";
import type { ImageStore } from "./images/store.ts";
import type { Networks } from "./network/types.ts";
import type { Swarm } from "./swarm/cluster.ts";
import type { EventBus } from "./system/events.ts";
import type { VolumeStore } from "./volumes/store.ts";

/**
 * What the rest of the engine asks of the containers part (images: who uses this one; info: how many; main: start and stop).
 * `containers/index.ts` exports `createContainers(engine): Promise<Containers>` with an interface that extends this one.
 */
export interface ContainersPort {
  counts(): { total: number; running: number; paused: number; stopped: number };
  /** Containers made from the image with this id ("sha256:…"). */
  usingImage(imageId: string): { id: string; name: string; running: boolean }[];
  /** Every container as `GET /containers/json?all=1&size=1` shows it. */
  summaries(): Promise<ContainerSummary[]>;
  /** Ids of the containers that mount the volume. */
  usingVolume(name: string): string[];
  /** Loads what is on disk and takes up live tasks again; ids of the containers whose tasks run. Called before `networks.start`. */
  load(): Promise<ReadonlySet<string>>;
  /** After `networks.start`: restart policies, health checks. */
  resume(): Promise<void>;
  /** The engine is going: closes streams, flushes; with live restore off stops the containers. */
  stop(): Promise<void>;
}

/** A named OCI runtime as the engine hands it to containerd. */
export interface Runtime {
  name: string;
  /** containerd's runtime name: "io.containerd.bunker.v2" or what `runtimeType` says. */
  shim: string;
  /** containerd.runc.v1.Options.BinaryName: "" is our own runtime. */
  binary: string;
}

export interface Engine {
  readonly config: EngineConfig;
  /** Stable id of this installation (`<data-root>/engine-id`). */
  readonly id: string;
  /** containerd's namespace for everything of ours. */
  readonly namespace: string;
  /** Where containerd listens, for shims and for people. */
  readonly containerdAddress: string;
  readonly services: Services;
  readonly networks: Networks;
  readonly events: EventBus;
  readonly images: ImageStore;
  readonly volumes: VolumeStore;
  readonly swarm: Swarm;
  /** Set once `createContainers` has run; routes are served only after that. */
  containers: ContainersPort;
  /** Throws ApiError 400 "unknown or invalid runtime name: X". */
  runtime(name: string | undefined): Runtime;
  /** Fires when the engine goes down: long streams end by it. */
  readonly shutdown: AbortSignal;
}
