// Where subnets of networks come from when nobody names one: docker's pools, less what is in use by us or by the host.
import { createHash } from "node:crypto";
import { RT_TABLE_MAIN, RTN_UNICAST } from "../../../../ffi/constants/rtnetlink.ts";
import { listRoutes } from "../../../../ffi/netlink/route/route.ts";
import type { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import {
  addressOf,
  bitsOf,
  type Family,
  nth,
  overlaps,
  parseCidr,
  type Subnet,
  subnetOf,
} from "./address.ts";
import { NetworkError } from "./types.ts";

/** A block that is cut into subnets of prefix length `size`. */
export interface AddressPoolOption {
  base: string;
  size: number;
}

export interface Pool {
  base: Subnet;
  size: number;
}

// libnetwork/ipamutils: 172.17 to 172.31 whole, then 192.168 in /20s.
export const DEFAULT_POOLS: readonly AddressPoolOption[] = [
  ...Array.from({ length: 15 }, (_, at) => ({ base: `172.${17 + at}.0.0/16`, size: 16 })),
  { base: "192.168.0.0/16", size: 20 },
];

/** A unique local /48 (RFC 4193) that follows from who we are, so that two hosts' networks differ and one host's stay. */
export function localPool(identity: string): AddressPoolOption {
  const id = createHash("sha256").update(identity).digest("hex");
  return { base: `fd${id.slice(0, 2)}:${id.slice(2, 6)}:${id.slice(6, 10)}::/48`, size: 64 };
}

/** Checks the pools of a configuration. Throws NetworkError 400. */
export function parsePools(options: readonly AddressPoolOption[]): Pool[] {
  return options.map(({ base, size }) => {
    const parsed = parseCidr(base);
    if (!parsed) throw new NetworkError(`invalid base pool "${base}": it is no CIDR`, 400);
    const longest = bitsOf(parsed.subnet.family) - 2;
    if (!Number.isInteger(size) || size < parsed.subnet.prefix || size > longest) {
      throw new NetworkError(`invalid pool size ${size} for ${base}`, 400);
    }
    return { base: parsed.subnet, size };
  });
}

/** The pools of a configuration; docker's own stand in for a family that it does not name. */
export function configuredPools(options: readonly AddressPoolOption[] | undefined, identity: string): Pool[] {
  const asked = parsePools(options ?? []);
  const named = (family: Family) => asked.some(({ base }) => base.family === family);
  return [
    ...asked,
    ...(named(4) ? [] : parsePools(DEFAULT_POOLS)),
    ...(named(6) ? [] : parsePools([localPool(identity)])),
  ];
}

/** What the host already routes somewhere (VPNs, LANs), except by the interfaces in `own`. */
export function routedSubnets(socket: NetlinkSocket, own: ReadonlySet<number>): Subnet[] {
  return ([4, 6] as const).flatMap((family) =>
    listRoutes(socket, family)
      .filter(
        (route) =>
          route.table === RT_TABLE_MAIN &&
          route.type === RTN_UNICAST &&
          route.prefix > 0 &&
          !own.has(route.index),
      )
      .map((route) => subnetOf(addressOf(route.destination), route.prefix)),
  );
}

/** The first subnet of the pools that overlaps none of `taken`. Throws NetworkError with docker's words. */
export function electSubnet(pools: readonly Pool[], taken: readonly Subnet[], family: Family = 4): Subnet {
  for (const { base, size } of pools) {
    if (base.family !== family) continue;
    const step = 1n << BigInt(bitsOf(family) - size);
    const count = 1n << BigInt(size - base.prefix);
    for (let at = 0n; at < count; at++) {
      const subnet = subnetOf(nth(base, at * step), size);
      if (!taken.some((other) => overlaps(other, subnet))) return subnet;
    }
  }
  throw new NetworkError("all predefined address pools have been fully subnetted", 400);
}
