// The engine's networks. README.md says what they are in the kernel.
import { BridgeNetworks } from "./networks.ts";
import type { NetworksConfig } from "./options.ts";
import type { Networks } from "./types.ts";

export type { NetworkOptions, NetworksConfig } from "./options.ts";
export * from "./types.ts";

/** Nothing is read or changed before `start`. Throws NetworkError on address pools that make no sense. An EngineConfig fits. */
export function createNetworks(config: NetworksConfig): Networks {
  return new BridgeNetworks(config);
}
