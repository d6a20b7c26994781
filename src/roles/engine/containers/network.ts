// A container's networks: which it joins, its endpoints while it runs, and how inspect shows them.

import { log } from "../../../observe/log.ts";
import type { NetworkSettings } from "../../../spec/engine/container.ts";
import { type EndpointSettings, endpointSettings } from "../../../spec/engine/network.ts";
import type { Endpoint } from "../network/types.ts";
import type { Container } from "./container.ts";
import { portMap, portRequests } from "./ports.ts";
import type { Room } from "./room.ts";

/** The networks a container is put on by name, in the order in which it gets its interfaces; none for host and container:ID. */
export function networkNames(container: Container): string[] {
  const mode = container.host.NetworkMode;
  if (mode === "host" || mode === "none" || mode.startsWith("container:")) return [];
  const others = Object.keys(container.record.Networks).filter((name) => name !== mode && name !== "default");
  return [mode, ...others];
}

const blank = (): EndpointSettings => endpointSettings.parse({});

function settingsFor(container: Container, network: string): EndpointSettings | undefined {
  const { Networks: asked } = container.record;
  return asked[network] ?? (network === "bridge" ? asked["default"] : undefined);
}

/** Publishes network connect or disconnect. */
function networkEvent(
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

/** Reserves addresses and ports on every network; nothing stays reserved when one of them refuses. */
export async function allocateNetworks(room: Room, container: Container): Promise<Endpoint[]> {
  const { networks } = room.engine;
  // Left over by a run whose end nobody saw.
  await releaseNetworks(room, container, false);
  const ports = portRequests(container.record.Config, container.host);
  const endpoints: Endpoint[] = [];
  try {
    for (const [index, network] of networkNames(container).entries()) {
      const asked = settingsFor(container, network);
      const custom = network !== "bridge";
      const endpoint = await networks.allocate({
        containerId: container.id,
        containerName: container.name,
        network,
        ...(asked?.IPAMConfig?.IPv4Address ? { ipv4Address: asked.IPAMConfig.IPv4Address } : {}),
        ...(asked?.MacAddress || container.record.Config.MacAddress
          ? { macAddress: asked?.MacAddress || container.record.Config.MacAddress }
          : {}),
        aliases: custom ? [...(asked?.Aliases ?? []), container.shortId] : [],
        ports: index === 0 ? ports : [],
      });
      endpoints.push(endpoint);
    }
  } catch (error) {
    for (const endpoint of endpoints) await networks.release(endpoint.endpointId).catch(() => {});
    throw error;
  }
  for (const endpoint of endpoints) {
    networkEvent(room, container, "connect", endpoint.networkId, endpoint.networkName, "bridge");
  }
  tellMode(room, container, "connect");
  return endpoints;
}

/** Gives back every endpoint; goes on after an error and reports it. */
export async function releaseNetworks(room: Room, container: Container, tell = true): Promise<void> {
  const { networks } = room.engine;
  for (const endpoint of networks.endpoints(container.id)) {
    try {
      await networks.release(endpoint.endpointId);
      if (tell) {
        networkEvent(room, container, "disconnect", endpoint.networkId, endpoint.networkName, "bridge");
      }
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
    ...blank(),
    ...asked,
    NetworkID: endpoint?.networkId ?? networkId,
    EndpointID: endpoint?.endpointId ?? "",
    Gateway: endpoint?.gateway ?? "",
    IPAddress: endpoint?.ipAddress ?? "",
    IPPrefixLen: endpoint?.ipPrefixLen ?? 0,
    MacAddress: endpoint?.macAddress ?? asked?.MacAddress ?? "",
    ...(endpoint?.aliases.length ? { Aliases: asked?.Aliases ?? null, DNSNames: endpoint.aliases } : {}),
  };
}

/** Networks by name, as inspect and list show them. */
export function shownNetworks(room: Room, container: Container): Record<string, EndpointSettings> {
  const mode = container.host.NetworkMode;
  const endpoints = room.engine.networks.endpoints(container.id);
  const shown: Record<string, EndpointSettings> = {};
  const idOf = (name: string): string => {
    try {
      return room.engine.networks.get(name).id;
    } catch {
      return "";
    }
  };
  const names = mode === "host" || mode === "none" ? [mode] : networkNames(container);
  for (const name of names) {
    const endpoint = endpoints.find(
      (candidate) => candidate.networkName === name || candidate.networkId === name,
    );
    const key = endpoint?.networkName ?? name;
    shown[key] = shownEndpoint(settingsFor(container, name), endpoint, idOf(name));
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
  const first = container.host.NetworkMode === "bridge" ? endpoints[0] : undefined;
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
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    IPAddress: first?.ipAddress ?? "",
    IPPrefixLen: first?.ipPrefixLen ?? 0,
    IPv6Gateway: "",
    MacAddress: first?.macAddress ?? "",
    Networks: shownNetworks(room, container),
  };
}
