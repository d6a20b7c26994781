// The network "bridge": which interface and which subnets it gets on this host, today.
import { findLink, type LinkInfo } from "../../../../ffi/netlink/route/link.ts";
import type { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { log } from "../../../observe/log.ts";
import {
  type Address,
  addressOf,
  contains,
  type Family,
  formatAddress,
  formatSubnet,
  nth,
  overlaps,
  parseAddress,
  parseCidr,
  type Subnet,
  sameAddress,
  subnetOf,
} from "./address.ts";
import { addressesOf } from "./bridge.ts";
import type { Instance, NetworkOptions } from "./options.ts";
import { electSubnet, type Pool, routedSubnets } from "./pools.ts";
import type { StoredNetwork } from "./store.ts";
import type { IpamPool } from "./types.ts";

type Stored = Pick<StoredNetwork, "bridge" | "pools">;

export const DOCKER0 = "docker0";

export interface Situation {
  socket: NetlinkSocket;
  options: NetworkOptions;
  instance: Instance;
  /** What it was the last time. */
  stored: Stored | undefined;
  /** Containers run on it: neither name nor subnets may change. */
  inUse: boolean;
  pools: readonly Pool[];
  /** Subnets of the other networks. */
  taken: readonly Subnet[];
}

interface Place {
  gateway: Address;
  subnet: Subnet;
}

/** --bip or --bip6 as address and subnet. Throws with the option's name. */
export function parseBip(bip: string, family: Family = 4): Place {
  const parsed = parseCidr(bip);
  const option = family === 4 ? "--bip" : "--bip6";
  const usable =
    parsed &&
    parsed.subnet.family === family &&
    !sameAddress(parsed.address, nth(parsed.subnet, 0n)) &&
    parsed.subnet.prefix <= (family === 4 ? 30 : 126);
  if (!usable) {
    throw new Error(
      `invalid value ${JSON.stringify(bip)} for ${option}: an address with its prefix is needed (${
        family === 4 ? "172.17.0.1/16" : "fd00:dead:beef::1/64"
      })`,
    );
  }
  return { gateway: parsed.address, subnet: parsed.subnet };
}

/** The user's own bridge, or undefined when the engine makes one. */
export function foreignBridge(options: NetworkOptions): string | undefined {
  return options.bridge && options.bridge !== "none" && options.bridge !== DOCKER0
    ? options.bridge
    : undefined;
}

function chooseName({ socket, options, instance }: Situation): string {
  if (options.bridgeName) return options.bridgeName;
  const present = findLink(socket, DOCKER0);
  const ours =
    !present ||
    present.alias.startsWith(`${instance.alias} `) ||
    (present.alias === "" && instance.isDefault);
  if (ours) return DOCKER0;
  log("info", `${DOCKER0} belongs to another engine; the default bridge is ${instance.fallbackBridge}`);
  return instance.fallbackBridge;
}

function addressOn(socket: NetlinkSocket, link: LinkInfo, family: Family): Place | undefined {
  const found = addressesOf(socket, link.index)
    .map((info) => ({ gateway: addressOf(info.address), prefix: info.prefix }))
    .find(({ gateway }) => gateway.family === family);
  return found && { gateway: found.gateway, subnet: subnetOf(found.gateway, found.prefix) };
}

function last(stored: Stored | undefined, family: Family): Place | undefined {
  const pool = stored?.pools.find(({ subnet }) => parseCidr(subnet)?.subnet.family === family);
  const subnet = pool && parseCidr(pool.subnet)?.subnet;
  const gateway = parseAddress(pool?.gateway ?? "");
  return subnet && gateway ? { subnet, gateway } : undefined;
}

function choosePlace(situation: Situation, present: LinkInfo | undefined, family: Family): Place {
  const { socket, options, stored, pools, taken } = situation;
  const asked = family === 4 ? options.bip : options.bip6;
  if (asked) return parseBip(asked, family);
  const fixed6 = family === 6 && options.fixedCidr6 ? parseCidr(options.fixedCidr6)?.subnet : undefined;
  if (fixed6) return { subnet: fixed6, gateway: nth(fixed6, 1n) };
  const found = present && addressOn(socket, present, family);
  if (found) return found;
  const busy = [...taken, ...routedSubnets(socket, new Set(present ? [present.index] : []))];
  const before = last(stored, family);
  if (before && !busy.some((other) => overlaps(other, before.subnet))) return before;
  const subnet = electSubnet(pools, busy, family);
  return { gateway: nth(subnet, 1n), subnet };
}

function rangeOf(option: string, text: string | undefined, subnet: Subnet): Subnet | undefined {
  if (!text) return undefined;
  const range = parseCidr(text)?.subnet;
  if (!range || range.prefix < subnet.prefix || !contains(subnet, nth(range, 0n))) {
    throw new Error(`${option} ${text} is no part of the default bridge's ${formatSubnet(subnet)}`);
  }
  return range;
}

function checkGateway(option: string, text: string | undefined, subnet: Subnet): void {
  if (!text) return;
  const gateway = parseAddress(text);
  if (!gateway || !contains(subnet, gateway)) {
    throw new Error(`${option} ${text} is no address of the default bridge's ${formatSubnet(subnet)}`);
  }
}

function poolOf(situation: Situation, present: LinkInfo | undefined, family: Family): IpamPool {
  const { options } = situation;
  const { gateway, subnet } = choosePlace(situation, present, family);
  const [cidr, gatewayOption] =
    family === 4 ? ["--fixed-cidr", "--default-gateway"] : ["--fixed-cidr-v6", "--default-gateway-v6"];
  const range = rangeOf(cidr, family === 4 ? options.fixedCidr : options.fixedCidr6, subnet);
  checkGateway(gatewayOption, family === 4 ? options.defaultGateway : options.defaultGateway6, subnet);
  return {
    subnet: formatSubnet(subnet),
    gateway: formatAddress(gateway),
    ...(range && formatSubnet(range) !== formatSubnet(subnet) ? { ipRange: formatSubnet(range) } : {}),
  };
}

/** Decides name, subnets and gateways. Changes nothing. Throws when an option cannot be met. */
export function electDefaultBridge(situation: Situation): Required<Stored> {
  const { socket, options, stored, inUse } = situation;
  if (stored?.bridge && inUse) return { bridge: stored.bridge, pools: stored.pools };
  const foreign = foreignBridge(options);
  const name = foreign ?? chooseName(situation);
  const present = findLink(socket, name);
  if (foreign && !present) {
    throw new Error(`bridge device with non default name ${foreign} must be created manually`);
  }
  if (foreign && present && !addressOn(socket, present, 4)) {
    throw new Error(`bridge ${foreign} has no IPv4 address`);
  }
  const families: Family[] = options.ipv6 ? [4, 6] : [4];
  return {
    bridge: { name, ...(foreign ? { foreign: true } : {}) },
    pools: families.map((family) => poolOf(situation, present, family)),
  };
}
