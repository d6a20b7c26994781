// POST /containers/{id}/update: limits and the restart policy, of a container that runs or does not.
import type { ContainerUpdate, HostConfig } from "../../../spec/engine/host-config.ts";
import { ApiError, badRequest, conflict } from "../errors.ts";
import { updatedResources } from "../oci/resources.ts";
import type { Container } from "./container.ts";
import { checkResources, checkRestart } from "./host-defaults.ts";
import { onLiveTask } from "./kill.ts";
import { step } from "./mailbox.ts";
import { containerEvent, type Room } from "./room.ts";

const RESOURCES_TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

// What is already set and what is asked for must not contradict each other. moby: container/container_unix.go
function checkConflicts(asked: ContainerUpdate, present: HostConfig): void {
  const refuse = (what: string, other: string): never => {
    throw badRequest(`Conflicting options: ${what} cannot be updated as ${other} has already been set`);
  };
  if (asked.NanoCpus > 0 && present.CpuPeriod > 0) refuse("Nano CPUs", "CPU Period");
  if (asked.NanoCpus > 0 && present.CpuQuota > 0) refuse("Nano CPUs", "CPU Quota");
  if (asked.CpuPeriod > 0 && present.NanoCpus > 0) refuse("CPU Period", "NanoCPUs");
  if (asked.CpuQuota > 0 && present.NanoCpus > 0) refuse("CPU Quota", "NanoCPUs");
  if (asked.Memory > present.MemorySwap && asked.MemorySwap === 0 && present.MemorySwap > 0) {
    throw badRequest(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  }
}

/** The host config with what was asked for in it; zero values and null ask for nothing. */
function merged(present: HostConfig, asked: ContainerUpdate): HostConfig {
  const { RestartPolicy, ...limits } = asked;
  const given = Object.entries(limits).filter(
    // But for the limit of processes, where 0 takes the limit away.
    ([key, value]) =>
      (value !== 0 || key === "PidsLimit") && value !== "" && value !== null && value !== undefined,
  );
  const host = { ...present, ...Object.fromEntries(given) } as HostConfig;
  if (RestartPolicy && RestartPolicy.Name !== "") host.RestartPolicy = RestartPolicy;
  return host;
}

function cannot(container: Container, error: unknown): ApiError {
  const status = error instanceof ApiError ? error.status : 500;
  return new ApiError(status, `Cannot update container ${container.id}: ${(error as Error).message}`, {
    cause: error,
  });
}

/** ApiError 400 for values that cannot be, 409 for a container that goes, 500 when the kernel refuses: then nothing is changed. */
export function updateContainer(
  room: Room,
  container: Container,
  asked: ContainerUpdate,
): Promise<{ Warnings: string[] }> {
  return container.mailbox.run(async () => {
    const { engine } = room;
    const { state } = container;
    if (asked.RestartPolicy) checkRestart({ RestartPolicy: asked.RestartPolicy, AutoRemove: false });
    checkResources(asked, true);
    if (state.stored.RemovalInProgress || state.stored.Dead) {
      throw conflict(
        `Cannot update container ${container.id}: container is marked for removal and cannot be "update"`,
      );
    }
    const policy = asked.RestartPolicy?.Name ?? "";
    if (container.host.AutoRemove && policy !== "" && policy !== "no") {
      throw badRequest("Restart policy cannot be updated because AutoRemove is enabled for the container");
    }
    checkConflicts(asked, container.host);
    const host = merged(container.host, asked);
    const live = state.running && !state.restarting;
    if (live) {
      try {
        await onLiveTask(
          container,
          step(
            "task update",
            engine.services.tasks.update(engine.namespace, container.id, {
              typeUrl: RESOURCES_TYPE_URL,
              value: new TextEncoder().encode(JSON.stringify(updatedResources(host, asked))),
            }),
          ),
        );
      } catch (error) {
        throw cannot(container, error);
      }
    }
    room.disk.saveHost(container.id, host);
    container.host = host;
    containerEvent(room, container, "update");
    return { Warnings: [] };
  });
}
