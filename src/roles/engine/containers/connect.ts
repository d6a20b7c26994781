// POST /networks/{id}/connect and /disconnect: a container joins or leaves a network, while it runs or while it does not.
import { log } from "../../../observe/log.ts";
import type { EndpointSettings } from "../../../spec/engine/network.ts";
import { ApiError, badRequest, forbidden } from "../errors.ts";
import type { NetworkInfo } from "../network/types.ts";
import type { Container } from "./container.ts";
import { refreshEtcFiles } from "./etc-files.ts";
import { endpointRequest, tellNetwork } from "./network.ts";
import { portRequests } from "./ports.ts";
import { persist, type Room } from "./room.ts";

function checkModes(container: Container, network: NetworkInfo, verb: "connect" | "disconnect"): void {
  const mode = container.host.NetworkMode;
  if (network.driver === "host") {
    throw badRequest(
      verb === "connect"
        ? "cannot connect container to host network - container must be created in host network mode"
        : "cannot disconnect container from host network - container was created in host network mode",
    );
  }
  if (mode === "host" || mode.startsWith("container:")) {
    throw badRequest(
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  }
  if (mode === "none" || network.driver === "null") {
    throw badRequest(
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
}

const runs = ({ state }: Container): boolean => state.running && !state.restarting && state.stored.Pid > 0;

/** ApiError 400, 403, 404. Nothing has changed when it throws. */
export function connectContainer(
  room: Room,
  container: Container,
  networkName: string,
  asked: EndpointSettings,
): Promise<void> {
  return container.mailbox.run(async () => {
    const { networks } = room.engine;
    const network = networks.get(networkName);
    checkModes(container, network, "connect");
    if (container.record.Networks[network.name]) {
      throw forbidden(`endpoint with name ${container.name} already exists in network ${network.name}`);
    }
    if (runs(container)) await joinLive(room, container, network, asked);
    else endpointRequest(room, container, network.name, asked, []);
    container.record.Networks[network.name] = asked;
    persist(room, container);
    tellNetwork(room, container, "connect", network.id);
  });
}

async function joinLive(
  room: Room,
  container: Container,
  network: NetworkInfo,
  asked: EndpointSettings,
): Promise<void> {
  const { networks, config } = room.engine;
  const published = networks.endpoints(container.id).some(({ ports }) => Object.keys(ports).length > 0);
  const ports = published ? [] : portRequests(container.record.Config, container.host);
  const endpoint = await networks.allocate(endpointRequest(room, container, network.name, asked, ports));
  try {
    // Before the resolver is asked anything it must be in resolv.conf, and the other way round it does no harm.
    refreshEtcFiles(container, networks.endpoints(container.id), config, { joined: endpoint });
    await networks.attach(endpoint.endpointId, `/proc/${container.state.stored.Pid}/ns/net`);
  } catch (error) {
    await networks.release(endpoint.endpointId, { live: true }).catch((second: unknown) => {
      log("error", "a network that could not be joined cannot be left", {
        container: container.id,
        error: second,
      });
    });
    refreshEtcFiles(container, networks.endpoints(container.id), config, { left: endpoint });
    throw error;
  }
}

/** ApiError 403 when it is not on that network. */
export function disconnectContainer(room: Room, container: Container, networkName: string): Promise<void> {
  return container.mailbox.run(async () => {
    const { networks, config } = room.engine;
    const network = networks.get(networkName);
    checkModes(container, network, "disconnect");
    const endpoint = networks.endpoints(container.id).find(({ networkId }) => networkId === network.id);
    if (!endpoint && !container.record.Networks[network.name]) {
      throw forbidden(`container ${container.id} is not connected to network ${network.name}`);
    }
    if (endpoint) {
      await networks.release(endpoint.endpointId, { live: runs(container) });
      if (runs(container))
        refreshEtcFiles(container, networks.endpoints(container.id), config, { left: endpoint });
    }
    delete container.record.Networks[network.name];
    persist(room, container);
    tellNetwork(room, container, "disconnect", network.id);
  });
}

/** `disconnect --force` of a container that is not known any more: whatever endpoint has its name goes. */
export async function disconnectUnknown(room: Room, networkName: string, name: string): Promise<void> {
  const { networks } = room.engine;
  const endpoint = networks
    .get(networkName)
    .endpoints.find((one) => one.containerName === name || one.containerId.startsWith(name));
  if (!endpoint) throw new ApiError(404, `endpoint ${name} not found`);
  await networks.release(endpoint.endpointId, { live: true });
}
