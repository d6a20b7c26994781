// A new network's subnets, gateways and ranges: those asked for, checked, and those that nobody asked for, chosen.
import {
  type Address,
  contains,
  type Family,
  formatAddress,
  formatSubnet,
  nth,
  overlaps,
  parseAddress,
  parseCidr,
  type Subnet,
} from "./address.ts";
import { type Catalog, OPTION } from "./catalog.ts";
import { electSubnet, routedSubnets } from "./pools.ts";
import type { PlanContext } from "./request.ts";
import { type IpamPool, type NetworkCreate, NetworkError } from "./types.ts";

type Asked = NonNullable<NetworkCreate["pools"]>[number];

function parseSubnet(asked: string): Subnet {
  const subnet = parseCidr(asked)?.subnet;
  if (!subnet) throw new NetworkError(`invalid subnet ${asked}: it is no CIDR`, 400);
  const [shortest, longest] = subnet.family === 4 ? [4, 30] : [3, 126];
  if (subnet.prefix < shortest || subnet.prefix > longest) {
    throw new NetworkError(
      `invalid subnet ${asked}: an IPv${subnet.family} CIDR of /${shortest} to /${longest} is needed`,
      400,
    );
  }
  return subnet;
}

/** The subnets of networks that may not overlap with the new one: docker lets macvlan and ipvlan share one, by different parents. */
function checkOverlap(catalog: Catalog, subnet: Subnet): void {
  if (catalog.subnets().some((other) => overlaps(other, subnet))) {
    throw new NetworkError("invalid pool request: Pool overlaps with other one on this address space", 403);
  }
}

function chooseSubnet({ catalog, socket, pools }: PlanContext, family: Family): Subnet {
  const own = new Set(catalog.networks().flatMap(({ bridge }) => (bridge?.index ? [bridge.index] : [])));
  return electSubnet(pools, [...catalog.subnets(), ...routedSubnets(socket, own)], family);
}

function inside(subnet: Subnet, text: string, what: string): Address {
  const address = parseAddress(text);
  if (!address) throw new NetworkError(`invalid ${what} address ${text}`, 400);
  if (!contains(subnet, address)) throw new NetworkError(`no matching subnet for ${what} ${text}`, 400);
  return address;
}

function rangeOf(subnet: Subnet, asked: string): Subnet {
  const range = parseCidr(asked)?.subnet;
  if (!range || range.prefix < subnet.prefix || !contains(subnet, nth(range, 0n))) {
    throw new NetworkError(`no matching subnet for range ${asked}`, 400);
  }
  return range;
}

function complete(subnet: Subnet, asked: Asked, gatewayless: boolean): IpamPool {
  const range = asked.ipRange ? rangeOf(subnet, asked.ipRange) : undefined;
  const auxiliary = Object.entries(asked.auxiliary ?? {}).map(
    ([name, text]) => [name, formatAddress(inside(subnet, text, "aux-address"))] as const,
  );
  const gateway = asked.gateway
    ? inside(subnet, asked.gateway, "gateway")
    : gatewayless
      ? undefined
      : nth(subnet, 1n);
  return {
    subnet: formatSubnet(subnet),
    ...(gateway ? { gateway: formatAddress(gateway) } : {}),
    ...(range ? { ipRange: formatSubnet(range) } : {}),
    ...(auxiliary.length > 0 ? { auxiliary: Object.fromEntries(auxiliary) } : {}),
  };
}

/** Decides the subnets. `hasIpv6`: an IPv6 subnet was named, which docker takes for --ipv6. Throws NetworkError. */
export function planPools(
  context: PlanContext,
  request: NetworkCreate,
  about: { ipv4: boolean; ipv6: boolean; driver: string; internal: boolean },
): { pools: IpamPool[]; hasIpv6: boolean } {
  const asked = (request.pools ?? []).map((pool) => ({
    pool,
    subnet: pool.subnet ? parseSubnet(pool.subnet) : undefined,
  }));
  const named6 = asked.some(({ subnet }) => subnet?.family === 6);
  const families: Family[] = [];
  if (about.ipv4) families.push(4);
  if (about.ipv6 || named6) families.push(6);
  if (request.ipamDriver === "null") return { pools: [], hasIpv6: false };
  const mode = (family: Family) => request.options?.[family === 4 ? OPTION.mode4 : OPTION.mode6];
  const pools = families.map((family): IpamPool => {
    const mine = asked.filter(({ pool, subnet }) => (subnet?.family ?? familyOf(pool)) === family);
    if (mine.length > 1) {
      throw new NetworkError(`${about.driver} driver doesn't support multiple subnets of IPv${family}`, 400);
    }
    const { pool = {}, subnet } = mine[0] ?? {};
    if (subnet) checkOverlap(context.catalog, subnet);
    // Without a subnet docker takes no gateway or range either: they would have to fit one that nobody knows yet.
    if (!subnet && (pool.gateway || pool.ipRange)) {
      throw new NetworkError("invalid network config:\nmissing subnet for the gateway or range", 400);
    }
    // L3 modes route on the link itself.
    const gatewayless =
      mode(family) === "isolated" ||
      (about.driver === "ipvlan" && /^l3/.test(request.options?.["ipvlan_mode"] ?? ""));
    return complete(subnet ?? chooseSubnet(context, family), pool, gatewayless);
  });
  return { pools, hasIpv6: named6 };
}

const familyOf = (pool: Asked): Family =>
  (pool.gateway ?? pool.ipRange ?? Object.values(pool.auxiliary ?? {})[0] ?? "").includes(":") ? 6 : 4;
