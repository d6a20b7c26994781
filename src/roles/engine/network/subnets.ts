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
  sameAddress,
} from "./address.ts";
import { type Catalog, OPTION } from "./catalog.ts";
import { electSubnet, routedSubnets } from "./pools.ts";
import type { PlanContext } from "./request.ts";
import { type IpamPool, type NetworkCreate, NetworkError } from "./types.ts";

type Asked = NonNullable<NetworkCreate["pools"]>[number];

/** Throws what is wrong with the configuration, all of it, in docker's words. */
function refuse(errors: readonly string[]): void {
  if (errors.length > 0) throw new NetworkError(`invalid network config:\n${errors.join("\n")}`, 400);
}

function parseSubnet(asked: string): Subnet {
  const parsed = parseCidr(asked);
  if (!parsed)
    throw new NetworkError(
      `invalid network config:\ninvalid subnet ${asked}: invalid CIDR block notation`,
      400,
    );
  const { subnet, address } = parsed;
  if (!sameAddress(address, nth(subnet, 0n))) {
    refuse([`invalid subnet ${asked}: it should be ${formatSubnet(subnet)}`]);
  }
  const [shortest, longest] = subnet.family === 4 ? [4, 30] : [3, 126];
  if (subnet.prefix < shortest || subnet.prefix > longest) {
    refuse([`invalid subnet ${asked}: an IPv${subnet.family} CIDR of /${shortest} to /${longest} is needed`]);
  }
  return subnet;
}

/** The subnets of networks that may not overlap with the new one: docker lets macvlan and ipvlan share one, by different parents. */
function checkOverlap(catalog: Catalog, before: readonly Subnet[], subnet: Subnet): void {
  if ([...catalog.subnets(), ...before].some((other) => overlaps(other, subnet))) {
    throw new NetworkError("invalid pool request: Pool overlaps with other one on this address space", 403);
  }
}

function chooseSubnet({ catalog, socket, pools }: PlanContext, family: Family): Subnet {
  const own = new Set(catalog.networks().flatMap(({ bridge }) => (bridge?.index ? [bridge.index] : [])));
  return electSubnet(pools, [...catalog.subnets(), ...routedSubnets(socket, own)], family);
}

/** Why an address cannot be one of the subnet's; undefined when it can. */
function misfit(subnet: Subnet, text: string): string | undefined {
  const address = parseAddress(text);
  if (!address) return "it is no IP address";
  if (address.family !== subnet.family) return `parent subnet is an IPv${subnet.family} block`;
  return contains(subnet, address)
    ? undefined
    : `parent subnet ${formatSubnet(subnet)} doesn't contain this address`;
}

function rangeErrors(subnet: Subnet, asked: string): string[] {
  const parsed = parseCidr(asked);
  const refusal = (why: string) => `invalid ip-range ${asked}: ${why}`;
  if (!parsed) return [refusal("invalid CIDR block notation")];
  const { subnet: range, address } = parsed;
  if (range.family !== subnet.family) return [refusal(`parent subnet is an IPv${subnet.family} block`)];
  const whole = formatSubnet(subnet);
  return [
    ...(range.prefix < subnet.prefix
      ? [refusal(`CIDR block is bigger than its parent subnet ${whole}`)]
      : []),
    ...(sameAddress(address, nth(range, 0n)) ? [] : [refusal(`it should be ${formatSubnet(range)}`)]),
    ...(overlaps(subnet, range) ? [] : [refusal(`parent subnet ${whole} doesn't contain ip-range`)]),
  ];
}

function check(subnet: Subnet, asked: Asked): void {
  const gateway = asked.gateway ? misfit(subnet, asked.gateway) : undefined;
  refuse([
    ...(asked.ipRange ? rangeErrors(subnet, asked.ipRange) : []),
    ...(gateway ? [`invalid gateway ${asked.gateway}: ${gateway}`] : []),
    ...Object.entries(asked.auxiliary ?? {}).flatMap(([name, text]) => {
      const why = misfit(subnet, text);
      return why ? [`invalid auxiliary address ${name}: ${why}`] : [];
    }),
  ]);
}

/** The gateway is the first address that there is to give: of the range, where there is one. */
function firstOf(subnet: Subnet, range: Subnet | undefined): Address {
  return nth(subnet, range && range.base !== subnet.base ? range.base - subnet.base : 1n);
}

function complete(subnet: Subnet, asked: Asked, gatewayless: boolean): IpamPool {
  check(subnet, asked);
  const plain = (text: string) => formatAddress(parseAddress(text)!);
  const range = asked.ipRange ? parseCidr(asked.ipRange)?.subnet : undefined;
  const auxiliary = Object.entries(asked.auxiliary ?? {}).map(([name, text]) => [name, plain(text)] as const);
  const gateway = asked.gateway
    ? plain(asked.gateway)
    : gatewayless
      ? undefined
      : formatAddress(firstOf(subnet, range));
  const taken = auxiliary.find(([, text]) => text === gateway);
  if (taken) {
    throw new NetworkError(
      `failed to allocate secondary ip address (${taken.join(":")}): Address already in use`,
      403,
    );
  }
  return {
    subnet: formatSubnet(subnet),
    ...(gateway ? { gateway } : {}),
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
  const pools = families.flatMap((family): IpamPool[] => {
    const mine = asked.filter(({ pool, subnet }) => (subnet?.family ?? familyOf(pool)) === family);
    if (mine.length > 1 && about.driver === "bridge") {
      throw new NetworkError("bridge driver doesn't support multiple subnets", 403);
    }
    // L3 modes route on the link itself.
    const gatewayless =
      mode(family) === "isolated" ||
      (about.driver === "ipvlan" && /^l3/.test(request.options?.["ipvlan_mode"] ?? ""));
    const before: Subnet[] = [];
    return (mine.length > 0 ? mine : [{ pool: {} as Asked, subnet: undefined }]).map(({ pool, subnet }) => {
      if (subnet) checkOverlap(context.catalog, before, subnet);
      // Without a subnet docker takes no gateway or range either: they would have to fit one that nobody knows yet.
      if (!subnet && (pool.gateway || pool.ipRange)) refuse(["missing subnet for the gateway or range"]);
      const settled = subnet ?? chooseSubnet(context, family);
      before.push(settled);
      return complete(settled, pool, gatewayless);
    });
  });
  return { pools, hasIpv6: named6 };
}

const familyOf = (pool: Asked): Family =>
  (pool.gateway ?? pool.ipRange ?? Object.values(pool.auxiliary ?? {})[0] ?? "").includes(":") ? 6 : 4;
