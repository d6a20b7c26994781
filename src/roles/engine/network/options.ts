// What the engine's configuration says about networks, and what this engine calls its things in the kernel.
import { createHash } from "node:crypto";
import type { AddressPoolOption } from "./pools.ts";

export interface NetworkOptions {
  /** --bridge: "" is the default bridge that the engine makes, "none" no default network, else a bridge that exists. */
  bridge?: string;
  /** Name of the bridge that the engine makes for itself; docker0 where that is free. */
  bridgeName?: string;
  /** --bip: address and prefix of the default bridge. */
  bip?: string;
  /** --bip6: the same for IPv6. */
  bip6?: string;
  /** --fixed-cidr: where on the default bridge containers get their addresses. */
  fixedCidr?: string;
  /** --fixed-cidr-v6: the default bridge's IPv6 subnet, or where in --bip6's containers get their addresses. */
  fixedCidr6?: string;
  /** --ipv6: the default bridge has IPv6 too. */
  ipv6?: boolean;
  /** --default-gateway: the containers' way out, where that is not the bridge itself. */
  defaultGateway?: string;
  /** --default-gateway-v6 */
  defaultGateway6?: string;
  defaultAddressPools?: readonly AddressPoolOption[];
  /** default-network-opts: options by driver for networks that do not set them. */
  defaultNetworkOpts?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** --ip: where ports of the default bridge are published that name no address. */
  ip?: string;
  /** default-publish-address: the same for every network that says nothing itself. */
  defaultPublishAddress?: string;
  ipForward?: boolean;
  ipMasq?: boolean;
  /** Off: no packet filtering or translation of ours, and so no published ports. */
  iptables?: boolean;
  icc?: boolean;
  mtu?: number;
  /** Off: ports are not published on IPv6 addresses for containers that have none. */
  userlandProxy?: boolean;
}

/** What createNetworks takes; an EngineConfig is one. */
export interface NetworksConfig {
  /** Networks are kept in `<dataRoot>/network/networks.json`. */
  dataRoot: string;
  /** Endpoints, which do not outlive a reboot, in `<execRoot>/network/endpoints/`. */
  execRoot: string;
  network?: NetworkOptions;
}

const DEFAULT_EXEC_ROOTS = new Set(["/run/docker", "/var/run/docker"]);

/** Two engines on one host must not share a table or a bridge: whoever has an exec-root of its own gets names of its own. */
export interface Instance {
  /** What the engine's bridges carry as alias. */
  alias: string;
  /** Its nftables table. */
  table: string;
  /** Its default bridge where docker0 is somebody else's. */
  fallbackBridge: string;
  isDefault: boolean;
}

export function instanceOf(execRoot: string): Instance {
  const isDefault = DEFAULT_EXEC_ROOTS.has(execRoot.replace(/\/+$/, ""));
  const hash = createHash("sha256").update(execRoot.replace(/\/+$/, "")).digest("hex");
  return {
    alias: `bunker ${isDefault ? "default" : hash.slice(0, 12)}`,
    table: isDefault ? "bunker" : `bunker-${hash.slice(0, 8)}`,
    fallbackBridge: `br-${hash.slice(0, 12)}`,
    isDefault,
  };
}
