// The networks there are, and who is on them. Bookkeeping only: nothing here touches the kernel.
import { randomBytes } from "node:crypto";
import { contains, parseAddress, parseCidr, type Subnet } from "./address.ts";
import type { FirewalledBridge } from "./firewall/definition.ts";
import { AddressPool } from "./ipam.ts";
import type { StoredEndpoint, StoredNetwork } from "./store.ts";
import { type Endpoint, NetworkError, type NetworkInfo } from "./types.ts";

export const OPTION = {
  name: "com.docker.network.bridge.name",
  defaultBridge: "com.docker.network.bridge.default_bridge",
  icc: "com.docker.network.bridge.enable_icc",
  masquerade: "com.docker.network.bridge.enable_ip_masquerade",
  hostBinding: "com.docker.network.bridge.host_binding_ipv4",
  mtu: "com.docker.network.driver.mtu",
} as const;

export const newId = (): string => randomBytes(32).toString("hex");

/** A bridge network's addresses. */
export interface BridgeNetwork {
  name: string;
  subnet: Subnet;
  gateway: number;
  pool: AddressPool;
  foreign: boolean;
  mtu: number | undefined;
  icc: boolean;
  masquerade: boolean;
  /** Where ports are published that name no address. */
  hostBinding: string | undefined;
  /** Interface index, once it is known to be in the kernel. */
  index: number | undefined;
}

export interface Network {
  stored: StoredNetwork;
  bridge: BridgeNetwork | undefined;
}

const flag = (value: string | undefined): boolean => value === undefined || /^(1|t|true)$/i.test(value);

function bridgeOf(stored: StoredNetwork): BridgeNetwork | undefined {
  if (!stored.bridge) return undefined;
  const subnet = parseCidr(stored.bridge.subnet)?.subnet;
  const gateway = parseAddress(stored.bridge.gateway);
  if (!subnet || gateway === undefined) {
    throw new Error(`network ${stored.name} has no valid subnet: ${JSON.stringify(stored.bridge)}`);
  }
  const range = stored.bridge.ipRange ? parseCidr(stored.bridge.ipRange)?.subnet : undefined;
  const pool = new AddressPool(subnet, range);
  pool.claim(gateway);
  return {
    name: stored.bridge.name,
    subnet,
    gateway,
    pool,
    foreign: stored.bridge.foreign ?? false,
    mtu: Number(stored.options[OPTION.mtu]) || undefined,
    icc: flag(stored.options[OPTION.icc]),
    masquerade: flag(stored.options[OPTION.masquerade]),
    hostBinding: stored.options[OPTION.hostBinding] || undefined,
    index: undefined,
  };
}

export class Catalog {
  readonly #networks = new Map<string, Network>();
  readonly #endpoints = new Map<string, StoredEndpoint>();

  add(stored: StoredNetwork): Network {
    const network = { stored, bridge: bridgeOf(stored) };
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

  /** Subnets of all bridge networks but one. */
  subnets(except?: string): Subnet[] {
    return this.networks().flatMap(({ stored, bridge }) =>
      bridge && stored.id !== except ? [bridge.subnet] : [],
    );
  }

  addEndpoint(endpoint: StoredEndpoint): void {
    this.#endpoints.set(endpoint.endpoint.endpointId, endpoint);
  }

  deleteEndpoint(endpointId: string): void {
    this.#endpoints.delete(endpointId);
  }

  endpoint(endpointId: string): StoredEndpoint | undefined {
    return this.#endpoints.get(endpointId);
  }

  endpoints(): StoredEndpoint[] {
    return [...this.#endpoints.values()];
  }

  endpointsOf(containerId: string): StoredEndpoint[] {
    return this.endpoints().filter(({ endpoint }) => endpoint.containerId === containerId);
  }

  endpointsOn(networkId: string): StoredEndpoint[] {
    return this.endpoints().filter(({ endpoint }) => endpoint.networkId === networkId);
  }

  info({ stored }: Network): NetworkInfo {
    const endpoints: Endpoint[] = this.endpointsOn(stored.id).map(({ endpoint }) => endpoint);
    return {
      id: stored.id,
      name: stored.name,
      driver: stored.driver,
      created: new Date(stored.created),
      internal: stored.internal,
      ...(stored.bridge ? { subnet: stored.bridge.subnet, gateway: stored.bridge.gateway } : {}),
      ...(stored.bridge?.ipRange ? { ipRange: stored.bridge.ipRange } : {}),
      options: { ...stored.options },
      labels: { ...stored.labels },
      endpoints,
    };
  }
}

/** The bridge as the firewall's table is to know it. */
export function firewalled({ stored, bridge }: Network): FirewalledBridge[] {
  if (!bridge) return [];
  return [
    {
      name: bridge.name,
      subnet: bridge.subnet,
      internal: stored.internal,
      masquerade: bridge.masquerade,
      icc: bridge.icc,
    },
  ];
}

/** Takes an asked-for address, or the next free one. Throws NetworkError with docker's words. */
export function takeAddress({ stored, bridge }: Network, wanted: string | undefined): number {
  if (!bridge) throw new NetworkError(`network ${stored.name} has no addresses`, 400);
  if (wanted === undefined || wanted === "") {
    const address = bridge.pool.next();
    if (address === undefined) {
      throw new NetworkError(
        `no available IPv4 addresses on this network's address pools: ${stored.name} (${stored.id})`,
        500,
      );
    }
    return address;
  }
  const address = parseAddress(wanted);
  if (address === undefined) throw new NetworkError(`invalid IPv4 address: ${wanted}`, 400);
  if (stored.options[OPTION.defaultBridge] === "true") {
    throw new NetworkError("user specified IP address is supported on user defined networks only", 400);
  }
  if (!contains(bridge.subnet, address)) {
    throw new NetworkError(
      `invalid config for network ${stored.name}: invalid endpoint settings:\nno configured subnet contains IP address ${wanted}`,
      400,
    );
  }
  if (!bridge.pool.claim(address)) throw new NetworkError("Address already in use", 403);
  return address;
}
