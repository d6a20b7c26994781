// Where subnets of networks come from when nobody names one: docker's pools, less what is in use by us or by the host.

import { RT_TABLE_MAIN, RTN_UNICAST } from "../../../../ffi/constants/rtnetlink.ts";
import { listRoutes } from "../../../../ffi/netlink/route/route.ts";
import type { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { addressOf, overlaps, parseCidr, type Subnet, subnetOf } from "./address.ts";
import { NetworkError } from "./types.ts";

/** A block that is cut into subnets of prefix length `size`. */
export interface AddressPoolOption {
  base: string;
  size: number;
}

// libnetwork/ipamutils: 172.17 to 172.31 whole, then 192.168 in /20s.
export const DEFAULT_POOLS: readonly AddressPoolOption[] = [
  ...Array.from({ length: 15 }, (_, at) => ({ base: `172.${17 + at}.0.0/16`, size: 16 })),
  { base: "192.168.0.0/16", size: 20 },
];

/** Checks the pools of a configuration. Throws NetworkError 400. */
export function parsePools(options: readonly AddressPoolOption[]): { base: Subnet; size: number }[] {
  return options.map(({ base, size }) => {
    const parsed = parseCidr(base);
    if (!parsed) throw new NetworkError(`invalid base pool "${base}": it is no IPv4 CIDR`, 400);
    if (!Number.isInteger(size) || size < parsed.subnet.prefix || size > 30) {
      throw new NetworkError(`invalid pool size ${size} for ${base}`, 400);
    }
    return { base: parsed.subnet, size };
  });
}

/** What the host already routes somewhere (VPNs, LANs), except by the interfaces in `own`. */
export function routedSubnets(socket: NetlinkSocket, own: ReadonlySet<number>): Subnet[] {
  return listRoutes(socket)
    .filter(
      (route) =>
        route.table === RT_TABLE_MAIN &&
        route.type === RTN_UNICAST &&
        route.prefix > 0 &&
        !own.has(route.index),
    )
    .map((route) => subnetOf(addressOf(route.destination), route.prefix));
}

/** The first subnet of the pools that overlaps none of `taken`. Throws NetworkError with docker's words. */
export function electSubnet(
  pools: readonly { base: Subnet; size: number }[],
  taken: readonly Subnet[],
): Subnet {
  for (const { base, size } of pools) {
    const step = 2 ** (32 - size);
    for (let at = 0; at < 2 ** (size - base.prefix); at++) {
      const subnet = { base: base.base + at * step, prefix: size };
      if (!taken.some((other) => overlaps(other, subnet))) return subnet;
    }
  }
  throw new NetworkError("all predefined address pools have been fully subnetted", 400);
}
