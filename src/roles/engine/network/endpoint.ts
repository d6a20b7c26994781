// An endpoint's bookkeeping: address, MAC, names and ports are decided here, all or nothing.
import { addressBytes, formatAddress, formatMac, macOf, parseAddress, parseMac } from "./address.ts";
import { type Catalog, type Network, newId, takeAddress } from "./catalog.ts";
import type { PublishedPort } from "./firewall/definition.ts";
import type { ContainerInterface } from "./interface.ts";
import type { HostPorts, Publication } from "./ports.ts";
import type { StoredEndpoint } from "./store.ts";
import { type Endpoint, type EndpointRequest, NetworkError } from "./types.ts";

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

function portMap(publications: readonly Publication[]): Endpoint["ports"] {
  const ports: Endpoint["ports"] = {};
  for (const { containerPort, protocol, hostIp, hostPort } of publications) {
    const key = `${containerPort}/${protocol}`;
    ports[key] = [...(ports[key] ?? []), { hostIp, hostPort }];
  }
  return ports;
}

/** The lowest eth number that the container does not use. */
function freeInterface(others: readonly StoredEndpoint[]): string {
  const used = new Set(others.map(({ interfaceName }) => interfaceName));
  for (let number = 0; ; number++) if (!used.has(`eth${number}`)) return `eth${number}`;
}

function chooseMac(asked: string | undefined, address: number): string {
  if (!asked) return macOf(address);
  const bytes = parseMac(asked);
  if (!bytes) throw new NetworkError(`invalid MAC address: ${asked}`, 400);
  if (bytes[0]! & 1) throw new NetworkError(`invalid MAC address: ${asked} is a group address`, 400);
  return formatMac(bytes);
}

function checkUnconnected(catalog: Catalog, network: Network, request: EndpointRequest): StoredEndpoint[] {
  const others = catalog.endpointsOf(request.containerId);
  if (others.some(({ endpoint }) => endpoint.networkId === network.stored.id)) {
    throw new NetworkError(
      `endpoint with name ${request.containerName} already exists in network ${network.stored.name}`,
      403,
    );
  }
  return others;
}

/** A container's place on a network without addresses (host, none). */
function plainEndpoint(network: Network, request: EndpointRequest): StoredEndpoint {
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
      aliases: request.aliases ?? [],
      ports: {},
    },
    publications: [],
    interfaceName: "",
    hostInterface: "",
    customMac: false,
  };
}

/** Reserves everything for a new endpoint; nothing stays reserved when it throws NetworkError. */
export function planEndpoint(
  catalog: Catalog,
  ports: HostPorts,
  network: Network,
  request: EndpointRequest,
  options: { hostIp?: string; gateway?: number },
): StoredEndpoint {
  const others = checkUnconnected(catalog, network, request);
  const { bridge } = network;
  const plain = plainEndpoint(network, request);
  if (!bridge) return plain;
  const { endpointId } = plain.endpoint;
  const address = takeAddress(network, request.ipv4Address);
  try {
    const macAddress = chooseMac(request.macAddress, address);
    let publications: Publication[];
    try {
      // An internal network publishes nothing, as with docker.
      publications = network.stored.internal
        ? []
        : ports.reserve(request.ports, bridge.hostBinding ?? options.hostIp);
    } catch (error) {
      throw portFailure(request, endpointId, error);
    }
    return {
      endpoint: {
        ...plain.endpoint,
        macAddress,
        ipAddress: formatAddress(address),
        ipPrefixLen: bridge.subnet.prefix,
        gateway: network.stored.internal ? "" : formatAddress(options.gateway ?? bridge.gateway),
        ports: portMap(publications),
      },
      publications,
      interfaceName: freeInterface(others),
      hostInterface: `veth${endpointId.slice(0, 7)}`,
      customMac: macAddress !== macOf(address),
    };
  } catch (error) {
    bridge.pool.free(address);
    throw error;
  }
}

export function publishedPorts({ endpoint, publications }: StoredEndpoint): PublishedPort[] {
  const containerIp = parseAddress(endpoint.ipAddress);
  return containerIp === undefined
    ? []
    : publications.map((publication) => ({ ...publication, containerIp }));
}

/** What the kernel needs for a stored endpoint. `hasRoute`: another network has the container's default route already. */
export function interfaceOf(
  network: Network,
  { endpoint, interfaceName, hostInterface, customMac }: StoredEndpoint,
  hasRoute: boolean,
  mtu: number | undefined,
): ContainerInterface {
  const { bridge } = network;
  const address = parseAddress(endpoint.ipAddress);
  if (!bridge || address === undefined || bridge.index === undefined) {
    throw new Error(`network ${network.stored.name} has no bridge in the kernel`);
  }
  const gateway = parseAddress(endpoint.gateway);
  return {
    hostName: hostInterface,
    bridge: bridge.index,
    name: interfaceName,
    mac: parseMac(endpoint.macAddress) ?? Uint8Array.of(2, 0x42, ...addressBytes(address)),
    customMac,
    address,
    subnet: bridge.subnet,
    ...(gateway === undefined || hasRoute ? {} : { gateway }),
    mtu: bridge.mtu || mtu,
    icc: bridge.icc,
  };
}
