// `docker network explain`: who reaches which published port, by which rule, and what stands in the way. Read off the books
// and the host's other rules; nothing is changed.
import { listAddresses } from "../../../../ffi/netlink/route/address.ts";
import { listLinks } from "../../../../ffi/netlink/route/link.ts";
import type {
  ExplainedEndpoint,
  ExplainedPort,
  NetworkExplanation,
} from "../../../spec/engine/network-explain.ts";
import { addressOf, formatAddress } from "./address.ts";
import type { Attachments } from "./attachments.ts";
import type { Catalog, Network } from "./catalog.ts";
import { admits, type Barrier, barriers, chainText } from "./firewall/foreign.ts";
import type { Kernel } from "./kernel.ts";
import type { Publication } from "./ports.ts";
import type { StoredEndpoint } from "./store.ts";

interface HostAddress {
  interface: string;
  address: string;
  loopback: boolean;
}

function hostAddresses(kernel: Kernel): HostAddress[] {
  const names = new Map(listLinks(kernel.route).map(({ index, name }) => [index, name]));
  return listAddresses(kernel.route).map(({ index, address }) => {
    const text = formatAddress(addressOf(address));
    return {
      interface: names.get(index) ?? "",
      address: text,
      loopback: text === "::1" || text.startsWith("127."),
    };
  });
}

const who = (address: HostAddress[], own: ReadonlySet<string>): string[] => {
  const outside = address.filter((one) => !one.loopback && !own.has(one.interface));
  return [
    "programs on this host",
    ...(outside.length > 0
      ? [
          `anybody whose packets reach this host at ${outside
            .map((one) => `${one.address} (${one.interface})`)
            .join(", ")}; the host's input rules do not see them, they are forwarded`,
        ]
      : []),
  ];
};

function obstaclesOf(walls: readonly Barrier[], table: string, bridge: string): ExplainedPort["obstacles"] {
  const admin = {
    rule: `table inet ${table}, chain DOCKER-USER`,
    effect: "the administrator's rules are looked at first and may drop",
  };
  return [
    admin,
    ...walls.map((wall) => ({
      rule: chainText(wall.chain),
      effect: admits(wall, table, bridge)
        ? `drops what it does not know; lets packets of ${bridge} pass after the rules before them`
        : `drops packets of ${bridge}`,
    })),
  ];
}

function ruleOf(table: string, publication: Publication, network: Network, target: string): string {
  const { hostIp, hostPort, protocol, relay } = publication;
  const same = target.includes(":") === hostIp.includes(":");
  if (relay && (!same || hostIp === "::1"))
    return `carried by the network keeper, which listens at ${hostIp.includes(":") ? `[${hostIp}]` : hostIp}:${hostPort}`;
  const six = hostIp.includes(":") ? "6" : "";
  const routed = (six ? network.bridge?.mode6 : network.bridge?.mode4) === "routed";
  if (routed)
    return `table inet ${table}, set routed${six}: ${target} ${protocol}, accepted by chain forward`;
  const anywhere = hostIp === "0.0.0.0" || hostIp === "::";
  const key = anywhere ? `${protocol} . ${hostPort}` : `${hostIp} . ${protocol} . ${hostPort}`;
  return `table inet ${table}, map published${six}${anywhere ? "-anywhere" : ""}: ${key} : ${target}, chain publish; accepted by chain forward "to published ports"`;
}

/** Explains the ports and endpoints of one container, or of all. */
export function explain(
  catalog: Catalog,
  attachments: Attachments,
  kernel: Kernel,
  containerId: string | undefined,
): NetworkExplanation {
  const { table } = kernel.instance;
  const addresses = hostAddresses(kernel);
  const { firewall } = kernel;
  const walls = firewall ? barriers(firewall.socket) : [];
  const own = new Set(catalog.networks().flatMap(({ bridge }) => (bridge ? [bridge.name] : [])));
  const ports: ExplainedPort[] = [];
  const endpoints: ExplainedEndpoint[] = [];
  for (const stored of catalog.endpoints()) {
    const { endpoint } = stored;
    if (containerId !== undefined && endpoint.containerId !== containerId) continue;
    const network = catalog.byId(endpoint.networkId);
    if (!network || !attachments.isAttached(endpoint.endpointId)) continue;
    endpoints.push(explainEndpoint(table, stored, network));
    const { bridge } = network;
    if (!bridge) continue;
    for (const publication of stored.publications) {
      const six = publication.hostIp.includes(":");
      const [first, other] = six
        ? [endpoint.ip6Address, endpoint.ipAddress]
        : [endpoint.ipAddress, endpoint.ip6Address];
      const inside = first || other;
      const target = `${inside} . ${publication.containerPort}`;
      const rule = ruleOf(table, publication, network, target);
      const any = publication.hostIp === "0.0.0.0" || publication.hostIp === "::";
      const answersAt = addresses.filter(
        ({ address }) => address.includes(":") === six && (any || address === publication.hostIp),
      );
      ports.push({
        container: { id: endpoint.containerId, name: endpoint.containerName },
        network: endpoint.networkName,
        protocol: publication.protocol,
        hostIp: publication.hostIp,
        hostPort: publication.hostPort,
        containerIp: inside,
        containerPort: publication.containerPort,
        answersAt: answersAt.map(({ interface: name, address }) => ({ interface: name, address })),
        reachableBy: [
          ...who(answersAt, own).map((text) => ({ who: text, rule })),
          ...(answersAt.some(({ loopback }) => !loopback)
            ? [{ who: "containers of every network that leads out, by the host's address", rule }]
            : []),
        ],
        obstacles: obstaclesOf(walls, table, bridge.name),
      });
    }
  }
  return { table: `inet ${table}`, ports, endpoints };
}

function explainEndpoint(table: string, { endpoint }: StoredEndpoint, network: Network): ExplainedEndpoint {
  const { bridge, stored } = network;
  const reachableBy: ExplainedEndpoint["reachableBy"] = [];
  const chain = `table inet ${table}, chain forward`;
  if (bridge) {
    reachableBy.push({ who: "programs on this host", rule: `the host has an address on ${bridge.name}` });
    if (bridge.icc) {
      reachableBy.push({
        who: `containers of network ${stored.name}`,
        rule: `${chain}: set siblings has "${bridge.name}" . "${bridge.name}"`,
      });
    }
    if (bridge.mode4 === "nat-unprotected" || bridge.mode6 === "nat-unprotected") {
      reachableBy.push({ who: "anybody who has a route to it", rule: `${chain}: set unprotected` });
    }
  } else if (stored.parent) {
    reachableBy.push({
      who: `anybody on the link of ${stored.parent.name}, except this host`,
      rule: `${stored.driver} on ${stored.parent.name}: this host's rules do not apply`,
    });
  }
  return {
    container: { id: endpoint.containerId, name: endpoint.containerName },
    network: endpoint.networkName,
    addresses: [endpoint.ipAddress, endpoint.ip6Address].filter((text) => text !== ""),
    reachableBy,
  };
}
