// The composition root: the one place where rooms meet. dockerd with containerd in its own process, or with one behind a socket.
import { join } from "node:path";
import type { EngineConfig } from "./roles/engine/config/types.ts";
import type { ContainerdHandle, DaemonParts } from "./roles/engine/daemon.ts";
import { engineMain } from "./roles/engine/main.ts";

async function openContainerd(config: EngineConfig, address: string): Promise<ContainerdHandle> {
  if (config.containerd !== undefined) {
    const [{ connect }, { createTransfer }] = await Promise.all([
      import("./wire/containerd/client/connect.ts"),
      import("./roles/containerd/transfer/index.ts"),
    ]);
    const { services, close } = await connect(address);
    // Pulling is done here, with that containerd's content and snapshots: older ones have no transfer service.
    return { services: { ...services, transfer: createTransfer(services) }, close };
  }
  const { openContainerd } = await import("./roles/containerd/services.ts");
  return openContainerd({
    root: join(config.dataRoot, "containerd"),
    state: join(config.execRoot, "containerd"),
    address,
    downloadAttempts: config.maxDownloadAttempts,
    // A task's bundle is the directory that the founding article shows: config.json beside the FIFOs.
    bundle: (namespace, id) =>
      namespace === config.containerdNamespace
        ? join(config.execRoot, "libcontainerd", id)
        : join(config.execRoot, "containerd", "io.containerd.runtime.v2.task", namespace, id),
  });
}

async function parts(): Promise<DaemonParts> {
  const [{ createNetworks }, containers, { connectRoutes }] = await Promise.all([
    import("./roles/engine/network/index.ts"),
    import("./roles/engine/containers/index.ts"),
    import("./roles/engine/containers/connect-routes.ts"),
  ]);
  return {
    openContainerd,
    openNetworks: async (config) => createNetworks(config),
    createContainers: containers.createContainers,
    containerApi: (engine) => ({
      routes: [containers.containerRoutes(engine), containers.execRoutes(engine), connectRoutes(engine)],
      hijacks: [...containers.hijackRoutes],
    }),
  };
}

/** `dockerd …` */
export function main(args: string[]): Promise<number> {
  return engineMain(args, parts);
}
