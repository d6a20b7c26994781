// An endpoint's bookkeeping: addresses, MAC, names and ports are decided here, all or nothing.

import type { RelayRecord } from "../../../wire/keeper/record.ts";
import { type Family, formatAddress, formatMac, macOf, parseAddress, parseMac } from "./address.ts";
import { type Catalog, hasNames, type Network, newId } from "./catalog.ts";
import type { PublishedPort } from "./firewall/definition.ts";
import type { HostPorts, Publication, PublishDefaults } from "./ports.ts";
import type { StoredEndpoint } from "./store.ts";
import { type Taken, takeAddress } from "./take-address.ts";
import { type Endpoint, type EndpointRequest, NetworkError } from "./types.ts";

/** Endpoint options that are the engine's own business, not the driver's. */
const ENDPOINT_OPTION = {
  interfaceName: "com.docker.network.endpoint.ifname",
  sysctls: "com.docker.network.endpoint.sysctls",
} as const;

/** The prefix that docker puts before what went wrong with a port. */
export function portFailure(
  request: { containerName: string },
  endpointId: string,
  error: unknown,
): NetworkError {
  const status = error instanceof NetworkError ? error.status : 500;
  return new NetworkError(
    `driver failed programming external connectivity on endpoint ${request.containerName} (${endpointId}): ${(error as Error).message}`,
    status,
    { cause: error },
  );
}

/** Publications as endpoints show them. */
export function portMap(publications: readonly Publication[]): Endpoint["ports"] {
  const ports: Endpoint["ports"] = {};
  for (const { containerPort, protocol, hostIp, hostPort } of publications) {
    const key = `${containerPort}/${protocol}`;
    ports[key] = [...(ports[key] ?? []), { hostIp, hostPort }];
  }
  return ports;
}

function interfaceNameOf(
  network: Network,
  request: EndpointRequest,
  others: readonly StoredEndpoint[],
): string {
  const used = new Set(others.map(({ interfaceName }) => interfaceName));
  const asked = request.driverOpts?.[ENDPOINT_OPTION.interfaceName];
  if (asked !== undefined) {
    if (!/^[^\s/:]{1,15}$/.test(asked))
      throw new NetworkError(`invalid interface name ${JSON.stringify(asked)}`, 400);
    if (used.has(asked)) throw new NetworkError(`interface name ${asked} is in use in this container`, 409);
    return asked;
  }
  // The lowest number that the container does not use.
  for (let number = 0; ; number++) {
    const name = `${network.interfacePrefix}${number}`;
    if (!used.has(name)) return name;
  }
}

function randomMac(): string {
  return formatMac(Uint8Array.of(0x02, 0x42, ...crypto.getRandomValues(new Uint8Array(4))));
}

function chooseMac(asked: string | undefined, follows: string | undefined): string {
  if (!asked) return follows ?? randomMac();
  const bytes = parseMac(asked);
  if (!bytes) throw new NetworkError(`invalid MAC address: ${asked}`, 400);
  if (bytes[0]! & 1) throw new NetworkError(`invalid MAC address: ${asked} is a group address`, 400);
  return formatMac(bytes);
}

function checkUnconnected(
  catalog: Catalog,
  network: Network,
  request: EndpointRequest,
): readonly StoredEndpoint[] {
  const others = catalog.endpointsOf(request.containerId);
  if (others.some(({ endpoint }) => endpoint.networkId === network.stored.id)) {
    throw new NetworkError(
      `endpoint with name ${request.containerName} already exists in network ${network.stored.name}`,
      403,
    );
  }
  return others;
}

/** "net.ipv4.conf.IFNAME.x=1,…" → file below /proc/sys and value. Throws NetworkError 400. */
export function endpointSysctls(
  driverOpts: Readonly<Record<string, string>>,
  interfaceName: string,
): { path: string; value: string }[] {
  const text = driverOpts[ENDPOINT_OPTION.sysctls];
  if (!text) return [];
  return text.split(",").map((entry) => {
    const match = /^(net\.(?:ipv4|ipv6|mpls)\.\w+)\.IFNAME\.([\w.]+)=(.+)$/.exec(entry.trim());
    if (!match) {
      throw new NetworkError(
        `unable to apply sysctl "${entry}": it must be of the form net.X.Y.IFNAME.Z=value`,
        400,
      );
    }
    const path = `${match[1]!.replaceAll(".", "/")}/${interfaceName}/${match[2]!.replaceAll(".", "/")}`;
    return { path, value: match[3]! };
  });
}

function linksOf(links: readonly string[] | undefined): Record<string, string> {
  return Object.fromEntries(
    (links ?? []).map((link) => {
      const [container = "", alias] = link.replace(/^\//, "").split(":");
      return [(alias || container).replace(/^.*\//, ""), container];
    }),
  );
}

/** Names in the network's DNS, the container's own first. */
export function dnsNamesOf(
  network: Network,
  containerName: string,
  containerId: string,
  aliases: readonly string[],
  hostname = "",
): string[] {
  const names = [containerName, ...aliases, containerId.slice(0, 12), hostname];
  return hasNames(network) ? [...new Set(names.filter((name) => name !== ""))] : [];
}

/** A container's place on a network, without addresses yet. */
function plainEndpoint(network: Network, request: EndpointRequest): StoredEndpoint {
  const aliases = request.aliases ?? [];
  return {
    endpoint: {
      endpointId: newId(),
      networkId: network.stored.id,
      networkName: network.stored.name,
      containerId: request.containerId,
      containerName: request.containerName,
      macAddress: "",
      ipAddress: "",
      ipPrefixLen: 0,
      gateway: "",
      ip6Address: "",
      ip6PrefixLen: 0,
      gateway6: "",
      aliases,
      dnsNames: dnsNamesOf(network, request.containerName, request.containerId, aliases, request.hostname),
      gatewayPriority: request.gatewayPriority ?? 0,
      ports: {},
    },
    publications: [],
    interfaceName: "",
    hostInterface: "",
    customMac: false,
    linkLocal: [],
    driverOpts: request.driverOpts ?? {},
    ...(hasNames(network)
      ? {
          hostname: request.hostname ?? "",
          resolver: {
            servers: request.resolvers ?? [],
            links: linksOf(request.links),
            internal: network.stored.internal,
          },
        }
      : {}),
  };
}

export interface EndpointContext {
  catalog: Catalog;
  ports: HostPorts;
  /** The default bridge's gateways where they are not the bridge. */
  gateways: { v4?: string; v6?: string };
  defaults: Pick<PublishDefaults, "hostIp" | "relay">;
}

function reserve(
  { ports, defaults }: EndpointContext,
  network: Network,
  request: EndpointRequest,
  endpoint: Endpoint,
): Publication[] {
  const { bridge, stored } = network;
  // An internal network publishes nothing, as with docker; nor does one whose packets do not pass through this host's hands.
  if (!bridge || stored.internal || request.ports.length === 0) return [];
  try {
    return ports.reserve(request.ports, {
      ...defaults,
      hostIp: bridge.hostBinding ?? defaults.hostIp,
      v4: endpoint.ipAddress !== "",
      v6: endpoint.ip6Address !== "",
    });
  } catch (error) {
    throw portFailure(request, endpoint.endpointId, error);
  }
}

/** Reserves everything for a new endpoint; nothing stays reserved when it throws NetworkError. */
export function planEndpoint(
  context: EndpointContext,
  network: Network,
  request: EndpointRequest,
): StoredEndpoint {
  const { stored, bridge } = network;
  if (stored.configOnly) {
    throw new NetworkError(`cannot attach to configuration network ${stored.name}`, 403);
  }
  const others = checkUnconnected(context.catalog, network, request);
  const plain = plainEndpoint(network, request);
  if (!bridge && !stored.parent) {
    takeAddress(network, request.ipv4Address, 4);
    takeAddress(network, request.ipv6Address, 6);
    return plain;
  }
  const taken: Taken[] = [];
  const take = (wanted: string | undefined, family: Family) => {
    const one = takeAddress(network, wanted, family);
    if (one) taken.push(one);
    return one;
  };
  const way = (one: Taken | undefined) =>
    stored.internal || !one?.block.gateway ? "" : formatAddress(one.block.gateway);
  try {
    const [v4, v6] = [take(request.ipv4Address, 4), take(request.ipv6Address, 6)];
    const follows = v4 && macOf(v4.address);
    const macAddress = chooseMac(request.macAddress, follows);
    const linkLocal = request.linkLocal ?? [];
    for (const text of linkLocal) {
      if (!parseAddress(text)) throw new NetworkError(`invalid link-local IP address: ${text}`, 400);
    }
    const interfaceName = interfaceNameOf(network, request, others);
    endpointSysctls(plain.driverOpts, interfaceName);
    const [gateway, gateway6] = [way(v4), way(v6)];
    const endpoint: Endpoint = {
      ...plain.endpoint,
      macAddress,
      ...(v4 ? { ipAddress: formatAddress(v4.address), ipPrefixLen: v4.block.subnet.prefix } : {}),
      ...(v6 ? { ip6Address: formatAddress(v6.address), ip6PrefixLen: v6.block.subnet.prefix } : {}),
      gateway: (gateway && context.gateways.v4) || gateway,
      gateway6: (gateway6 && context.gateways.v6) || gateway6,
    };
    const publications = reserve(context, network, request, endpoint);
    return {
      ...plain,
      endpoint: { ...endpoint, ports: portMap(publications) },
      publications,
      interfaceName,
      hostInterface: bridge ? `veth${endpoint.endpointId.slice(0, 7)}` : "",
      customMac: macAddress !== follows,
      linkLocal,
    };
  } catch (error) {
    for (const { address, block } of taken) block.pool.free(address);
    throw error;
  }
}

const isV6 = ({ hostIp }: Publication): boolean => hostIp.includes(":");

/** The endpoint's ports that a translation serves. */
export function publishedPorts({ endpoint, publications }: StoredEndpoint): PublishedPort[] {
  return publications.flatMap((publication) => {
    const inside = parseAddress(isV6(publication) ? endpoint.ip6Address : endpoint.ipAddress);
    return inside && publication.hostIp !== "::1" ? [{ ...publication, containerIp: inside }] : [];
  });
}

/** Those that the keeper carries. */
export function relayedPorts({ endpoint, publications }: StoredEndpoint): RelayRecord[] {
  const { ipAddress, ip6Address } = endpoint;
  return publications.flatMap((publication) => {
    const { relay, protocol, hostIp, hostPort, containerPort } = publication;
    if (!relay || protocol === "sctp") return [];
    const containerIp = isV6(publication) ? ip6Address || ipAddress : ipAddress || ip6Address;
    return [{ protocol, hostIp, hostPort, containerIp, containerPort }];
  });
}
