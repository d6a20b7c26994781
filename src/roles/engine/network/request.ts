// `docker network create`: a request becomes a network's record, or a refusal in docker's words.
import type { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import {
  contains,
  formatAddress,
  formatSubnet,
  overlaps,
  parseAddress,
  parseCidr,
  type Subnet,
} from "./address.ts";
import { type Catalog, newId, OPTION } from "./catalog.ts";
import { electSubnet, routedSubnets } from "./pools.ts";
import type { StoredNetwork } from "./store.ts";
import { type NetworkCreate, NetworkError } from "./types.ts";

export const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none", "default"]);

function checkName(catalog: Catalog, name: string): void {
  if (PREDEFINED.has(name)) {
    throw new NetworkError(`operation is not permitted on predefined ${name} network`, 403);
  }
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
    throw new NetworkError(
      `invalid network name: ${JSON.stringify(name)} (only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed)`,
      400,
    );
  }
  if (catalog.byName(name)) throw new NetworkError(`network with name ${name} already exists`, 409);
}

function checkDriver(driver: string): void {
  if (driver === "bridge") return;
  if (driver === "host" || driver === "null") {
    throw new NetworkError(`only one instance of "${driver}" network is allowed`, 403);
  }
  throw new NetworkError(
    `could not find plugin ${driver} in v1 plugin registry: plugin not found (this engine has the drivers bridge, host and null)`,
    404,
  );
}

function chooseSubnet(
  catalog: Catalog,
  socket: NetlinkSocket,
  pools: readonly { base: Subnet; size: number }[],
  asked: string | undefined,
): Subnet {
  const own = new Set(catalog.networks().flatMap(({ bridge }) => (bridge?.index ? [bridge.index] : [])));
  const routed = routedSubnets(socket, own);
  if (!asked) return electSubnet(pools, [...catalog.subnets(), ...routed]);
  const subnet = parseCidr(asked)?.subnet;
  if (!subnet || subnet.prefix > 30 || subnet.prefix < 4) {
    throw new NetworkError(`invalid subnet ${asked}: an IPv4 CIDR of /4 to /30 is needed`, 400);
  }
  if (catalog.subnets().some((other) => overlaps(other, subnet))) {
    throw new NetworkError("invalid pool request: Pool overlaps with other one on this address space", 403);
  }
  return subnet;
}

function chooseGateway(subnet: Subnet, asked: string | undefined): number {
  if (!asked) return subnet.base + 1;
  const gateway = parseAddress(asked);
  if (gateway === undefined) throw new NetworkError(`invalid gateway address ${asked}`, 400);
  if (!contains(subnet, gateway)) throw new NetworkError(`no matching subnet for gateway ${asked}`, 400);
  return gateway;
}

function chooseRange(subnet: Subnet, asked: string | undefined): Subnet | undefined {
  if (!asked) return undefined;
  const range = parseCidr(asked)?.subnet;
  if (!range || range.prefix < subnet.prefix || !contains(subnet, range.base)) {
    throw new NetworkError(`no matching subnet for range ${asked}`, 400);
  }
  return range;
}

/** Decides everything about a new bridge network; changes nothing. Throws NetworkError. */
export function planNetwork(
  catalog: Catalog,
  socket: NetlinkSocket,
  pools: readonly { base: Subnet; size: number }[],
  request: NetworkCreate,
): StoredNetwork {
  checkName(catalog, request.name);
  checkDriver(request.driver || "bridge");
  const id = newId();
  const options = request.options ?? {};
  const bridgeName = options[OPTION.name] || `br-${id.slice(0, 12)}`;
  if (bridgeName.length > 15 || /[/\s:]/.test(bridgeName)) {
    throw new NetworkError(`invalid bridge name ${JSON.stringify(bridgeName)}: 1 to 15 characters`, 400);
  }
  const other = catalog.networks().find(({ bridge }) => bridge?.name === bridgeName);
  if (other) {
    throw new NetworkError(
      `cannot create network ${id} (${bridgeName}): conflicts with network ${other.stored.id} (${bridgeName}): networks have same bridge name`,
      403,
    );
  }
  const mtu = options[OPTION.mtu];
  if (mtu !== undefined && !(Number(mtu) >= 68 && Number(mtu) <= 65535)) {
    throw new NetworkError(`failed to parse ${OPTION.mtu} value: ${JSON.stringify(mtu)}`, 400);
  }
  const subnet = chooseSubnet(catalog, socket, pools, request.subnet);
  const gateway = chooseGateway(subnet, request.gateway);
  const range = chooseRange(subnet, request.ipRange);
  return {
    id,
    name: request.name,
    driver: "bridge",
    created: new Date().toISOString(),
    internal: request.internal ?? false,
    options,
    labels: request.labels ?? {},
    bridge: {
      name: bridgeName,
      subnet: formatSubnet(subnet),
      gateway: formatAddress(gateway),
      ...(range ? { ipRange: formatSubnet(range) } : {}),
    },
  };
}
