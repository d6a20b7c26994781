// The network "bridge": which interface and which subnet it gets on this host, today.
import { findLink, type LinkInfo } from "../../../../ffi/netlink/route/link.ts";
import type { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { log } from "../../../observe/log.ts";
import {
  addressOf,
  contains,
  formatAddress,
  formatSubnet,
  overlaps,
  parseAddress,
  parseCidr,
  type Subnet,
  subnetOf,
} from "./address.ts";
import { addressesOf } from "./bridge.ts";
import type { Instance, NetworkOptions } from "./options.ts";
import { electSubnet, routedSubnets } from "./pools.ts";
import type { StoredNetwork } from "./store.ts";

type StoredBridge = NonNullable<StoredNetwork["bridge"]>;

export const DOCKER0 = "docker0";

export interface Situation {
  socket: NetlinkSocket;
  options: NetworkOptions;
  instance: Instance;
  /** What it was the last time. */
  stored: StoredBridge | undefined;
  /** Containers run on it: neither name nor subnet may change. */
  inUse: boolean;
  pools: readonly { base: Subnet; size: number }[];
  /** Subnets of the other networks. */
  taken: readonly Subnet[];
}

/** --bip as address and subnet. Throws with the option's name. */
export function parseBip(bip: string): { gateway: number; subnet: Subnet } {
  const parsed = parseCidr(bip);
  if (!parsed || parsed.address === parsed.subnet.base || parsed.subnet.prefix > 30) {
    throw new Error(
      `invalid value ${JSON.stringify(bip)} for --bip: an address with its prefix is needed (172.17.0.1/16)`,
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

function addressOn(socket: NetlinkSocket, link: LinkInfo): { gateway: number; subnet: Subnet } | undefined {
  const [info] = addressesOf(socket, link.index);
  if (!info) return undefined;
  const gateway = addressOf(info.address);
  return { gateway, subnet: subnetOf(gateway, info.prefix) };
}

function chooseAddress(situation: Situation, present: LinkInfo | undefined) {
  const { socket, options, stored, pools, taken } = situation;
  if (options.bip) return parseBip(options.bip);
  const found = present && addressOn(socket, present);
  if (found) return found;
  const busy = [...taken, ...routedSubnets(socket, new Set(present ? [present.index] : []))];
  const last = stored && parseCidr(stored.subnet)?.subnet;
  const gateway = stored && parseAddress(stored.gateway);
  if (last && gateway && !busy.some((other) => overlaps(other, last))) return { gateway, subnet: last };
  const subnet = electSubnet(pools, busy);
  return { gateway: subnet.base + 1, subnet };
}

function checkGateway({ defaultGateway }: NetworkOptions, subnet: Subnet): void {
  if (!defaultGateway) return;
  const gateway = parseAddress(defaultGateway);
  if (gateway === undefined || !contains(subnet, gateway)) {
    throw new Error(
      `--default-gateway ${defaultGateway} is no address of the default bridge's ${formatSubnet(subnet)}`,
    );
  }
}

/** Decides name, subnet and gateway. Changes nothing. Throws when an option cannot be met. */
export function electDefaultBridge(situation: Situation): StoredBridge {
  const { socket, options, stored, inUse } = situation;
  if (stored && inUse) return stored;
  const foreign = foreignBridge(options);
  const name = foreign ?? chooseName(situation);
  const present = findLink(socket, name);
  if (foreign && !present) {
    throw new Error(`bridge device with non default name ${foreign} must be created manually`);
  }
  if (foreign && present && !addressOn(socket, present)) {
    throw new Error(`bridge ${foreign} has no IPv4 address`);
  }
  const { gateway, subnet } = chooseAddress(situation, present);
  const range = options.fixedCidr ? parseCidr(options.fixedCidr) : undefined;
  if (
    options.fixedCidr &&
    (!range || !contains(subnet, range.subnet.base) || range.subnet.prefix < subnet.prefix)
  ) {
    throw new Error(
      `--fixed-cidr ${options.fixedCidr} is no part of the default bridge's ${formatSubnet(subnet)}`,
    );
  }
  checkGateway(options, subnet);
  return {
    name,
    subnet: formatSubnet(subnet),
    gateway: formatAddress(gateway),
    ...(range ? { ipRange: formatSubnet(range.subnet) } : {}),
    ...(foreign ? { foreign: true } : {}),
  };
}
