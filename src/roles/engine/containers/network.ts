// A container's networks: which it joins, its endpoints while it runs, and how inspect shows them.

import { log } from "../../../observe/log.ts";
import type { NetworkSettings } from "../../../spec/engine/container.ts";
import { type EndpointSettings, endpointSettings } from "../../../spec/engine/network.ts";
import { badRequest } from "../errors.ts";
import type { Endpoint, EndpointRequest, Networks, PortRequest } from "../network/types.ts";
import type { Container } from "./container.ts";
import { portMap, portRequests } from "./ports.ts";
import type { Room } from "./room.ts";

/** The networks a container is put on by name, in the order in which it gets its interfaces; none for host and container:ID. */
export function networkNames(container: Container): string[] {
  const mode = container.host.NetworkMode;
  if (mode === "host" || mode === "none" || mode.startsWith("container:")) return [];
  if (container.record.Config.NetworkDisabled) return [];
  const names = Object.keys(container.record.Networks);
  const first = container.record.Networks[mode] ? [mode] : [];
  return [...first, ...names.filter((name) => name !== mode)];
}

/** What a new container asks for, by the networks' names: those it names itself, and the one of its network mode. */
export function askedNetworks(
  networks: Networks,
  mode: string,
  asked: Readonly<Record<string, EndpointSettings>>,
): Record<string, EndpointSettings> {
  const nameOf = (key: string): string => {
    const wanted = key === "default" ? "bridge" : key;
    try {
      return networks.get(wanted).name;
    } catch {
      return wanted;
    }
  };
  if (mode === "host" || mode === "none" || mode.startsWith("container:")) return {};
  const named = Object.fromEntries(Object.entries(asked).map(([key, settings]) => [nameOf(key), settings]));
  const first = nameOf(mode);
  return { [first]: named[first] ?? blank(), ...named };
}

const blank = (): EndpointSettings => endpointSettings.parse({});
const BLANK: Readonly<EndpointSettings> = blank();

/** Publishes network connect or disconnect. */
export function networkEvent(
  room: Room,
  container: Container,
  action: string,
  networkId: string,
  name: string,
  type: string,
): void {
  room.engine.events.publish("network", action, {
    ID: networkId,
    Attributes: { container: container.id, name, type },
  });
}

// host and none have nothing to allocate, but docker tells of them all the same.
function tellMode(room: Room, container: Container, action: "connect" | "disconnect"): void {
  const mode = container.host.NetworkMode;
  if (mode !== "host" && mode !== "none") return;
  try {
    const network = room.engine.networks.get(mode);
    networkEvent(room, container, action, network.id, network.name, network.driver);
  } catch {
    // A network part without these two has nothing to tell.
  }
}

/** What one network is asked for. ApiError 400 for addresses and aliases that it cannot have. */
export function endpointRequest(
  room: Room,
  container: Container,
  network: string,
  asked: EndpointSettings | undefined,
  ports: PortRequest[],
): EndpointRequest {
  const { record, host } = container;
  const { engine } = room;
  const ipam = asked?.IPAMConfig;
  // The container's own MAC is the older way to say it, and is for the network of its mode.
  const mac = asked?.MacAddress || (network === host.NetworkMode ? record.Config.MacAddress : "");
  if (network === "bridge" && asked?.Aliases?.length) {
    throw badRequest("network-scoped aliases are only supported for user-defined networks");
  }
  return {
    containerId: container.id,
    containerName: container.name,
    hostname: record.Config.Hostname,
    network,
    ...(ipam?.IPv4Address ? { ipv4Address: ipam.IPv4Address } : {}),
    ...(ipam?.IPv6Address ? { ipv6Address: ipam.IPv6Address } : {}),
    linkLocal: ipam?.LinkLocalIPs ?? [],
    ...(mac ? { macAddress: mac } : {}),
    aliases: asked?.Aliases ?? [],
    links: asked?.Links ?? [],
    driverOpts: asked?.DriverOpts ?? {},
    gatewayPriority: asked?.GwPriority ?? 0,
    resolvers: host.Dns?.length ? host.Dns : engine.config.network.dns,
    ports,
  };
}

/** Reserves addresses and ports on every network; nothing stays reserved when one of them refuses. */
export async function allocateNetworks(room: Room, container: Container): Promise<Endpoint[]> {
  const { networks } = room.engine;
  shareNetworkFiles(room, container);
  // Left over by a run whose end nobody saw.
  await releaseNetworks(room, container, false);
  const ports = portRequests(container.record.Config, container.host);
  try {
    for (const network of networkNames(container)) {
      const published = networks
        .endpoints(container.id)
        .some((endpoint) => Object.keys(endpoint.ports).length > 0);
      const asked = container.record.Networks[network];
      await networks.allocate(endpointRequest(room, container, network, asked, published ? [] : ports));
    }
  } catch (error) {
    for (const endpoint of networks.endpoints(container.id)) {
      await networks.release(endpoint.endpointId).catch(() => {});
    }
    throw error;
  }
  const endpoints = networks.endpoints(container.id);
  for (const { networkId } of endpoints) tellNetwork(room, container, "connect", networkId);
  tellMode(room, container, "connect");
  return endpoints;
}

/** A container that shares another's network has its files too: what is connected later is seen by both. */
function shareNetworkFiles(room: Room, container: Container): void {
  const joined = container.joins(container.host.NetworkMode);
  if (!joined) return;
  const { record } = room.registry.get(joined.container);
  container.record.HostnamePath = record.HostnamePath;
  container.record.HostsPath = record.HostsPath;
  container.record.ResolvConfPath = record.ResolvConfPath;
}

export function tellNetwork(
  room: Room,
  container: Container,
  action: "connect" | "disconnect",
  networkId: string,
): void {
  try {
    const { name, driver } = room.engine.networks.get(networkId);
    networkEvent(room, container, action, networkId, name, driver);
  } catch {
    // It went in the same moment; nobody misses the news.
  }
}

/** Gives back every endpoint; goes on after an error and reports it. */
export async function releaseNetworks(room: Room, container: Container, tell = true): Promise<void> {
  const { networks } = room.engine;
  for (const endpoint of networks.endpoints(container.id)) {
    try {
      await networks.release(endpoint.endpointId);
      if (tell) tellNetwork(room, container, "disconnect", endpoint.networkId);
    } catch (error) {
      log("error", "network endpoint cannot be released", {
        container: container.id,
        network: endpoint.networkName,
        error,
      });
    }
  }
  if (tell) tellMode(room, container, "disconnect");
}

function shownEndpoint(
  asked: EndpointSettings | undefined,
  endpoint: Endpoint | undefined,
  networkId: string,
): EndpointSettings {
  return {
    ...BLANK,
    ...asked,
    NetworkID: endpoint?.networkId ?? networkId,
    EndpointID: endpoint?.endpointId ?? "",
    Gateway: endpoint?.gateway ?? "",
    IPAddress: endpoint?.ipAddress ?? "",
    IPPrefixLen: endpoint?.ipPrefixLen ?? 0,
    IPv6Gateway: endpoint?.gateway6 ?? "",
    GlobalIPv6Address: endpoint?.ip6Address ?? "",
    GlobalIPv6PrefixLen: endpoint?.ip6PrefixLen ?? 0,
    MacAddress: endpoint?.macAddress ?? asked?.MacAddress ?? "",
    ...(endpoint?.dnsNames.length ? { Aliases: asked?.Aliases ?? null, DNSNames: endpoint.dnsNames } : {}),
  };
}

/** Networks by name, as inspect and list show them. */
export function shownNetworks(room: Room, container: Container): Record<string, EndpointSettings> {
  const mode = container.host.NetworkMode;
  const endpoints = room.engine.networks.endpoints(container.id);
  const shown: Record<string, EndpointSettings> = {};
  const names = mode === "host" || mode === "none" ? [mode] : networkNames(container);
  for (const name of names) {
    const endpoint = endpoints.find(
      (candidate) => candidate.networkName === name || candidate.networkId === name,
    );
    const key = endpoint?.networkName ?? name;
    shown[key] = shownEndpoint(
      container.record.Networks[name],
      endpoint,
      room.engine.networks.idOf(name) ?? "",
    );
  }
  for (const endpoint of endpoints) {
    shown[endpoint.networkName] ??= shownEndpoint(undefined, endpoint, endpoint.networkId);
  }
  return shown;
}

/** NetworkSettings of inspect. */
export function networkSettings(room: Room, container: Container): NetworkSettings {
  const { state } = container;
  const endpoints = room.engine.networks.endpoints(container.id);
  const live = state.running && state.stored.Pid > 0;
  const first = endpoints.find(({ networkName }) => networkName === "bridge");
  return {
    Bridge: "",
    SandboxID: live ? container.id : "",
    SandboxKey: live ? `/proc/${state.stored.Pid}/ns/net` : "",
    Ports: live ? portMap(container.record.Config, endpoints) : {},
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: first?.endpointId ?? "",
    Gateway: first?.gateway ?? "",
    GlobalIPv6Address: first?.ip6Address ?? "",
    GlobalIPv6PrefixLen: first?.ip6PrefixLen ?? 0,
    IPAddress: first?.ipAddress ?? "",
    IPPrefixLen: first?.ipPrefixLen ?? 0,
    IPv6Gateway: first?.gateway6 ?? "",
    MacAddress: first?.macAddress ?? "",
    Networks: shownNetworks(room, container),
  };
}
