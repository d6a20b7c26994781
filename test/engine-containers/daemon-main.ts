// dockerd with the real containerd part and no networks, as a process of its own (so that it can be killed).
import { join } from "node:path";
import { openContainerd } from "../../src/roles/containerd/services.ts";
import * as containers from "../../src/roles/engine/containers/index.ts";
import { engineMain } from "../../src/roles/engine/main.ts";
import { noNetworks } from "./no-networks.ts";

process.exitCode = await engineMain(process.argv.slice(2), async () => ({
  openContainerd: (config, address) =>
    openContainerd({
      root: join(config.dataRoot, "containerd"),
      state: join(config.execRoot, "containerd"),
      address,
      bundle: (_namespace, id) => join(config.execRoot, "libcontainerd", id),
    }),
  openNetworks: async () => noNetworks,
  createContainers: containers.createContainers,
  containerApi: (engine) => ({
    routes: [containers.containerRoutes(engine), containers.execRoutes(engine)],
    hijacks: [...containers.hijackRoutes],
  }),
}));
