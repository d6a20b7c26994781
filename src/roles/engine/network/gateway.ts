// Which of a container's networks gives it its default route and has its published ports.
import { parseAddress } from "./address.ts";
import type { Network } from "./catalog.ts";
import type { Way } from "./interface.ts";
import type { StoredEndpoint } from "./store.ts";

/** L3 modes of ipvlan have no gateway: all the world is on the link. */
const isL3 = ({ stored }: Network): boolean =>
  stored.driver === "ipvlan" && /^l3/.test(stored.options["ipvlan_mode"] ?? "");

/** The default routes that an endpoint can give. */
export function waysOf(network: Network, { endpoint }: StoredEndpoint): Way[] {
  if (network.stored.internal) return [];
  if (isL3(network)) {
    return [...(endpoint.ipAddress ? [4 as const] : []), ...(endpoint.ip6Address ? [6 as const] : [])];
  }
  return [endpoint.gateway, endpoint.gateway6].flatMap((text) => parseAddress(text) ?? []);
}

interface Candidate {
  stored: StoredEndpoint;
  network: Network;
}

/** libnetwork's order: the priority asked for, those that lead out, both families, IPv4 alone, then the network's name. */
function compare(one: Candidate, other: Candidate): number {
  const rank = ({ stored, network }: Candidate) => {
    const ways = waysOf(network, stored);
    const four = ways.some((way) => way === 4 || (typeof way === "object" && way.family === 4));
    return [stored.endpoint.gatewayPriority, Number(ways.length > 0), ways.length, Number(four)];
  };
  const [left, right] = [rank(one), rank(other)];
  for (const [at, value] of left.entries()) if (value !== right[at]) return right[at]! - value;
  return one.network.stored.name < other.network.stored.name ? -1 : 1;
}

/** The endpoint that leads out; undefined when none does. */
export function gatewayOf(candidates: readonly Candidate[]): Candidate | undefined {
  const [best] = [...candidates].sort(compare);
  return best && waysOf(best.network, best.stored).length > 0 ? best : undefined;
}
