// From a container that exists to one that runs: network → spec → streams → task → interfaces → process.
import { create as message, toBinary } from "@bufbuild/protobuf";
import { log } from "../../../observe/log.ts";
import { traced } from "../../../observe/trace.ts";
import { idmapped } from "../../../wire/containerd/id-maps.ts";
import type { Mount as SnapshotMount } from "../../../wire/containerd/services.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { OptionsSchema } from "../../../wire/gen/shim/runc_pb.ts";
import { conflict, notModified } from "../errors.ts";
import { watchHealth } from "../health/monitor.ts";
import type { Endpoint } from "../network/types.ts";
import { ownCapabilities } from "../oci/capabilities.ts";
import { parseSecurityOptions } from "../oci/security.ts";
import { buildSpec, SPEC_TYPE_URL, specBytes } from "../oci/spec.ts";
import { type ContainerUser, resolveUser } from "../oci/user.ts";
import { containerAction, networkAction } from "../system/counts.ts";
import type { Container } from "./container.ts";
import { attachEngineLog, shimLogs } from "./engine-log.ts";
import { etcMounts, hostnameOf, writeEtcFiles } from "./etc-files.ts";
import { linkEnvironment, linkHosts, liveLinks, refreshParents } from "./legacy-links.ts";
import { LogForward } from "./log-forward/forward.ts";
import { logAnnotations } from "./log-options.ts";
import { step } from "./mailbox.ts";
import { specMounts } from "./mount-points.ts";
import { containerNamespaces } from "./namespaces.ts";
import { allocateNetworks, releaseNetworks } from "./network.ts";
import { removeContainer } from "./remove.ts";
import { containerEvent, persist, type Room, remapOf, snapshotterOf } from "./room.ts";
import { openRootfs, readInRoot } from "./rootfs.ts";
import { mountSharedShm, unmountSharedShm } from "./shareable-shm.ts";
import { startFailure } from "./start-error.ts";
import { goNow } from "./time.ts";
import { prepareMounts, releaseMounts } from "./volumes.ts";
import { watchExit } from "./watch.ts";

const ARCH = process.arch === "arm64" ? "arm64" : "amd64";
const RUNC_OPTIONS_URL = "containerd.runc.v1.Options";

/** POST /containers/{id}/start. ApiError 304 when it runs, 409 when it cannot; a failed start leaves its reason in the state. */
export function startContainer(room: Room, container: Container): Promise<void> {
  return container.mailbox.run(async () => {
    const { state } = container;
    if (state.paused) throw conflict("cannot start a paused container, try unpause instead");
    // A container that waits for its restart is started now instead.
    container.restart?.cancel();
    container.restart = undefined;
    if (state.running && !state.restarting) throw notModified();
    if (state.stored.RemovalInProgress || state.stored.Dead) {
      throw conflict("container is marked for removal and cannot be started");
    }
    container.record.HasBeenManuallyStopped = false;
    container.failures = 0;
    await launch(room, container);
  });
}

/** The start itself, inside the container's mailbox. */
export async function launch(room: Room, container: Container): Promise<void> {
  await step("end of the last run", container.released);
  container.run++;
  container.stopping = false;
  container.oomKilled = false;
  try {
    await traced("engine", "start container", container.id, () =>
      containerAction("start", () => attempt(room, container)),
    );
  } catch (error) {
    await undo(room, container);
    const failure = startFailure(error);
    container.state.setFailed(failure.error.message, failure.exitCode);
    persist(room, container);
    container.takeStreams().close();
    if (container.host.AutoRemove) {
      // Not awaited inside the mailbox, which the removal needs.
      queueMicrotask(() => {
        removeContainer(room, container, { force: true, volumes: true }).catch((second: unknown) => {
          log("error", "container of a failed start cannot be removed", {
            container: container.id,
            error: second,
          });
        });
      });
    }
    throw failure.error;
  }
}

async function attempt(room: Room, container: Container): Promise<void> {
  const { engine } = room;
  const remap = remapOf(room, container);
  const { namespaces, sharedShm, userNamespace } = containerNamespaces(room, container);
  const mounts = await step("snapshot", snapshotterOf(room).mounts(engine.namespace, container.id));
  const user = await settle(room, container, mounts);
  const links = liveLinks(room, container);
  const endpoints = await traced("engine", "network allocate", container.id, () =>
    step(
      "network",
      networkAction("allocate", () => allocateNetworks(room, container)),
    ),
  );
  if (container.host.IpcMode === "shareable") mountSharedShm(container, remap?.root);
  writeEtcFiles(container, endpoints, engine.config, linkHosts(room, links), remap?.root);
  const { record, host } = container;
  const spec = buildSpec({
    id: container.id,
    config: record.Config,
    host,
    command: [record.Path, ...record.Args],
    hostname: hostnameOf(container),
    variables: links.length > 0 ? linkEnvironment(room, container) : [],
    user,
    mounts: specMounts(record.MountPoints, host),
    files: etcMounts(record),
    namespaces,
    userNamespace,
    sharedShm,
    ...(host.Init ? { init: engine.config.initPath ?? (await room.initBinary()) } : {}),
    cgroupParent: host.CgroupParent || engine.config.cgroupParent || "/docker",
    defaultUlimits: engine.config.defaultUlimits,
    security: parseSecurityOptions(host.SecurityOpt, engine.config),
    annotations: shimLogs(room, container) ? logAnnotations(container) : {},
    allCapabilities: ownCapabilities(),
    arch: ARCH,
  });
  await register(room, container, specBytes(spec));
  container.streams.makeFifos();
  attachEngineLog(room, container);
  container.forward = await step("log driver", LogForward.open(container));
  container.forward?.begin();
  container.streams.open();
  const { pid } = await step(
    "task create",
    engine.services.tasks.create(engine.namespace, {
      containerId: container.id,
      rootfs: remap ? idmapped(mounts, remap) : mounts,
      ...container.streams.io,
    }),
  );
  await traced("engine", "network attach", container.id, () => connect(room, endpoints, pid));
  // Before the call, which a short-lived process may outrun.
  const startedAt = goNow();
  await step("task start", engine.services.tasks.start(engine.namespace, container.id));
  container.streamsOpened();
  container.state.setRunning(pid, startedAt);
  record.HasBeenStartedBefore = true;
  watchHealth(room, container);
  persist(room, container);
  refreshParents(room, container);
  containerEvent(room, container, "start");
  watchExit(room, container);
}

// What must be looked up in the image: the user, and what an empty volume is filled with.
async function settle(
  room: Room,
  container: Container,
  mounts: readonly SnapshotMount[],
): Promise<ContainerUser> {
  using rootfs = openRootfs(mounts);
  await prepareMounts(room, container, rootfs);
  const { record, host } = container;
  return resolveUser(
    record.Config.User,
    host.GroupAdd ?? [],
    readInRoot(rootfs, "/etc/passwd"),
    readInRoot(rootfs, "/etc/group"),
  );
}

// The record that `ctr containers ls` shows, for as long as the task lives. One left by a crash is replaced.
async function register(room: Room, container: Container, spec: Uint8Array): Promise<void> {
  const { engine } = room;
  const { containers } = engine.services;
  const runtime = engine.runtime(container.host.Runtime);
  const record = {
    id: container.id,
    labels: { "com.docker/engine.bundle.path": container.places.bundle },
    image: container.record.Config.Image,
    runtime: {
      name: runtime.shim,
      options: {
        typeUrl: RUNC_OPTIONS_URL,
        value: toBinary(OptionsSchema, message(OptionsSchema, { binaryName: runtime.binary })),
      },
    },
    spec: { typeUrl: SPEC_TYPE_URL, value: spec },
    snapshotter: engine.config.snapshotter,
    snapshotKey: container.id,
    extensions: {},
  };
  try {
    await step("container record", containers.create(engine.namespace, record));
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== "AlreadyExists") throw error;
    await step("container record", containers.delete(engine.namespace, container.id));
    await step("container record", containers.create(engine.namespace, record));
  }
}

async function connect(room: Room, endpoints: readonly Endpoint[], pid: number): Promise<void> {
  for (const endpoint of endpoints) {
    await step("network", room.engine.networks.attach(endpoint.endpointId, `/proc/${pid}/ns/net`));
  }
}

// After a failed start nothing of it is left: no task, no record, no address, no port.
async function undo(room: Room, container: Container): Promise<void> {
  const { engine } = room;
  const { tasks, containers } = engine.services;
  const quietly = async (what: string, work: Promise<unknown>): Promise<void> => {
    try {
      await step(what, work, 15_000);
    } catch (error) {
      if (error instanceof ServiceError && error.code === "NotFound") return;
      log("error", `cleaning up after a failed start: ${what}`, { container: container.id, error });
    }
  };
  let task = false;
  try {
    await step("task", tasks.get(engine.namespace, container.id), 15_000);
    task = true;
  } catch {
    // No task came to be, which is the common case.
  }
  if (task) {
    const gone = tasks.wait(engine.namespace, container.id);
    await quietly("task kill", tasks.kill(engine.namespace, container.id, 9, { all: true }));
    await quietly("task wait", gone);
    await quietly("task delete", tasks.delete(engine.namespace, container.id));
  }
  await quietly("container record", containers.delete(engine.namespace, container.id));
  container.forward?.close();
  container.forward = undefined;
  await releaseNetworks(room, container);
  unmountSharedShm(container);
  releaseMounts(room, container);
}
