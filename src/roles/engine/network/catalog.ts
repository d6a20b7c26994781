// The networks there are, and who is on them. Bookkeeping only: nothing here touches the kernel.
import { randomBytes } from "node:crypto";
import { type Address, parseAddress, parseCidr, type Subnet } from "./address.ts";
import type { FirewalledBridge } from "./firewall/definition.ts";
import { AddressPool } from "./ipam.ts";
import type { StoredEndpoint, StoredNetwork } from "./store.ts";
import { type IpamPool, NetworkError, type NetworkInfo } from "./types.ts";

export const OPTION = {
  name: "com.docker.network.bridge.name",
  defaultBridge: "com.docker.network.bridge.default_bridge",
  icc: "com.docker.network.bridge.enable_icc",
  masquerade: "com.docker.network.bridge.enable_ip_masquerade",
  hostBinding: "com.docker.network.bridge.host_binding_ipv4",
  inhibit4: "com.docker.network.bridge.inhibit_ipv4",
  mode4: "com.docker.network.bridge.gateway_mode_ipv4",
  mode6: "com.docker.network.bridge.gateway_mode_ipv6",
  interfacePrefix: "com.docker.network.container_iface_prefix",
  source4: "com.docker.network.host_ipv4",
  source6: "com.docker.network.host_ipv6",
  mtu: "com.docker.network.driver.mtu",
} as const;

export const newId = (): string => randomBytes(32).toString("hex");

/** One family's addresses of a network. */
export interface Block {
  subnet: Subnet;
  /** Undefined where nothing leads out. */
  gateway: Address | undefined;
  pool: AddressPool;
}

/** nat: published ports, masquerading; routed: containers are reached by their own addresses; isolated: no host on the bridge. */
export type GatewayMode = "nat" | "nat-unprotected" | "routed" | "isolated";

/** A bridge network's device and manners. */
export interface BridgeNetwork {
  name: string;
  foreign: boolean;
  icc: boolean;
  masquerade: boolean;
  /** The host gets no address on it. */
  inhibit4: boolean;
  mode4: GatewayMode;
  mode6: GatewayMode;
  /** What masqueraded packets carry instead of the way out's own address. */
  source4: Address | undefined;
  source6: Address | undefined;
  /** Where ports are published that name no address. */
  hostBinding: string | undefined;
  /** Interface index, once it is known to be in the kernel. */
  index: number | undefined;
}

export interface Network {
  stored: StoredNetwork;
  /** IPv4 first. A bridge has one of a family at the most. */
  blocks: readonly Block[];
  /** The first of each family. */
  v4: Block | undefined;
  v6: Block | undefined;
  mtu: number | undefined;
  /** Container interfaces are called this and a number. */
  interfacePrefix: string;
  bridge: BridgeNetwork | undefined;
}

export const flag = (value: string | undefined, otherwise = true): boolean =>
  value === undefined ? otherwise : /^(1|t|true)$/i.test(value);

const mode = (value: string | undefined): GatewayMode => (value as GatewayMode | undefined) || "nat";

function bridgeOf({ bridge, options }: StoredNetwork): BridgeNetwork | undefined {
  if (!bridge) return undefined;
  return {
    name: bridge.name,
    foreign: bridge.foreign ?? false,
    icc: flag(options[OPTION.icc]),
    masquerade: flag(options[OPTION.masquerade]),
    inhibit4: flag(options[OPTION.inhibit4], false),
    mode4: mode(options[OPTION.mode4]),
    mode6: mode(options[OPTION.mode6]),
    source4: parseAddress(options[OPTION.source4] ?? ""),
    source6: parseAddress(options[OPTION.source6] ?? ""),
    hostBinding: options[OPTION.hostBinding] || undefined,
    index: undefined,
  };
}

/** One subnet's addresses, with those taken that are nobody's to give. Throws on a record that makes no sense. */
function blockOf(pool: IpamPool): Block {
  const { subnet } = parseCidr(pool.subnet)!;
  const range = pool.ipRange ? parseCidr(pool.ipRange)?.subnet : undefined;
  const gateway = pool.gateway ? parseAddress(pool.gateway) : undefined;
  const addresses = new AddressPool(subnet, range);
  if (gateway) addresses.claim(gateway);
  for (const text of Object.values(pool.auxiliary ?? {})) {
    const taken = parseAddress(text);
    if (taken) addresses.claim(taken);
  }
  return { subnet, gateway, pool: addresses };
}

function networkOf(stored: StoredNetwork): Network {
  if (!Array.isArray(stored.pools)) throw new Error(`network ${stored.name} has no list of subnets`);
  const blocks = stored.pools.map(blockOf).sort((one, other) => one.subnet.family - other.subnet.family);
  return {
    stored,
    blocks,
    v4: blocks.find(({ subnet }) => subnet.family === 4),
    v6: blocks.find(({ subnet }) => subnet.family === 6),
    mtu: Number(stored.options[OPTION.mtu]) || undefined,
    interfacePrefix: stored.options[OPTION.interfacePrefix] || "eth",
    bridge: bridgeOf(stored),
  };
}

/** Containers on it find each other by name. */
export const hasNames = ({ stored }: Network): boolean =>
  stored.pools.length > 0 && stored.options[OPTION.defaultBridge] !== "true";

export class Catalog {
  readonly #networks = new Map<string, Network>();
  readonly #endpoints = new Map<string, StoredEndpoint>();
  /** Container id → its endpoints: asked for at every step of a container's life. */
  readonly #byContainer = new Map<string, StoredEndpoint[]>();

  add(stored: StoredNetwork): Network {
    const network = networkOf(stored);
    this.#networks.set(stored.id, network);
    return network;
  }

  delete(id: string): void {
    this.#networks.delete(id);
  }

  networks(): Network[] {
    return [...this.#networks.values()];
  }

  stored(): StoredNetwork[] {
    return this.networks().map(({ stored }) => stored);
  }

  byId(id: string): Network | undefined {
    return this.#networks.get(id);
  }

  byName(name: string): Network | undefined {
    return this.networks().find(({ stored }) => stored.name === name);
  }

  /** By name, id or unambiguous id prefix. Throws NetworkError 404, 400. */
  find(network: string): Network {
    const exact = this.byName(network) ?? this.#networks.get(network);
    if (exact) return exact;
    const matching =
      network === "" ? [] : this.networks().filter(({ stored }) => stored.id.startsWith(network));
    if (matching.length > 1) {
      throw new NetworkError(
        `network ${network} is ambiguous (${matching.length} matches found on ID prefix)`,
        400,
      );
    }
    const [only] = matching;
    if (!only) throw new NetworkError(`network ${network} not found`, 404);
    return only;
  }

  /** Subnets of all networks but one. */
  subnets(except?: string): Subnet[] {
    return this.networks().flatMap((network) =>
      network.stored.id === except || network.stored.configOnly
        ? []
        : network.blocks.map(({ subnet }) => subnet),
    );
  }

  addEndpoint(stored: StoredEndpoint): void {
    const { endpointId, containerId } = stored.endpoint;
    this.#endpoints.set(endpointId, stored);
    this.#byContainer.set(containerId, [...(this.#byContainer.get(containerId) ?? []), stored]);
  }

  deleteEndpoint(endpointId: string): void {
    const containerId = this.#endpoints.get(endpointId)?.endpoint.containerId;
    this.#endpoints.delete(endpointId);
    if (containerId === undefined) return;
    const rest = (this.#byContainer.get(containerId) ?? []).filter(
      ({ endpoint }) => endpoint.endpointId !== endpointId,
    );
    if (rest.length > 0) this.#byContainer.set(containerId, rest);
    else this.#byContainer.delete(containerId);
  }

  endpoint(endpointId: string): StoredEndpoint | undefined {
    return this.#endpoints.get(endpointId);
  }

  endpoints(): StoredEndpoint[] {
    return [...this.#endpoints.values()];
  }

  endpointsOf(containerId: string): readonly StoredEndpoint[] {
    return this.#byContainer.get(containerId) ?? [];
  }

  endpointsOn(networkId: string): StoredEndpoint[] {
    return this.endpoints().filter(({ endpoint }) => endpoint.networkId === networkId);
  }

  info({ stored }: Network): NetworkInfo {
    const { bridge: _, parent: __, created, pools, ...shown } = stored;
    return {
      ...structuredClone(shown),
      created: new Date(created),
      pools: structuredClone<IpamPool[]>(pools),
      endpoints: this.endpointsOn(stored.id).map(({ endpoint }) => endpoint),
    };
  }
}

/** The bridge as the firewall's table is to know it. */
export function firewalled(network: Network): FirewalledBridge[] {
  const { stored, bridge, v4, v6 } = network;
  if (!bridge) return [];
  return [
    {
      name: bridge.name,
      subnets: network.blocks.map(({ subnet }) => subnet),
      internal: stored.internal,
      masquerade: [
        ...(v4 && bridge.masquerade && bridge.mode4.startsWith("nat")
          ? [{ subnet: v4.subnet, source: bridge.source4 }]
          : []),
        ...(v6 && bridge.masquerade && bridge.mode6.startsWith("nat")
          ? [{ subnet: v6.subnet, source: bridge.source6 }]
          : []),
      ],
      open: [
        ...(v4 && isOpen(bridge.mode4) ? [v4.subnet] : []),
        ...(v6 && isOpen(bridge.mode6) ? [v6.subnet] : []),
      ],
      icc: bridge.icc,
    },
  ];
}

const isOpen = (gateway: GatewayMode): boolean => gateway === "nat-unprotected";
