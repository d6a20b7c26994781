// Our nftables table as data: what it is to hold for given bridges and published ports. Every change of state is a change of
// set elements; the rules never change. In nft's language it reads as README.md shows.
import * as NFT from "../../../../../ffi/constants/nftables.ts";
import { RTN_LOCAL } from "../../../../../ffi/constants/rtnetlink.ts";
import type { Message } from "../../../../../ffi/netlink/message.ts";
import * as X from "../../../../../ffi/netlink/nftables/expressions.ts";
import {
  addChain,
  addElements,
  addRule,
  addSet,
  addTable,
  concatenate,
  deleteTable,
  type Element,
  type Hook,
  type SetDefinition,
} from "../../../../../ffi/netlink/nftables/messages.ts";
import { addressBytes, parseAddress, type Subnet, sizeOf } from "../address.ts";
import type { Publication } from "../ports.ts";

/** A bridge network as the firewall sees it. */
export interface FirewalledBridge {
  name: string;
  subnet: Subnet;
  /** No way in or out of the bridge. */
  internal: boolean;
  /** Packets that leave the host get the host's address. */
  masquerade: boolean;
  /** Containers on the bridge reach one another. */
  icc: boolean;
}

/** A published port with the container's address it leads to. */
export interface PublishedPort extends Publication {
  containerIp: number;
}

export interface FirewallState {
  bridges: readonly FirewalledBridge[];
  ports: readonly PublishedPort[];
}

const TARGET = ["ipv4_addr", "inet_service"] as const;

/** Published on one address of the host, and on all of them. */
export const SETS: readonly SetDefinition[] = [
  { name: "published", key: ["ipv4_addr", "inet_proto", "inet_service"], data: TARGET },
  { name: "published-anywhere", key: ["inet_proto", "inet_service"], data: TARGET },
  { name: "bridges", key: ["ifname"] },
  { name: "internal", key: ["ifname"] },
  { name: "siblings", key: ["ifname", "ifname"] },
  { name: "subnets", key: ["ipv4_addr"], interval: true },
  { name: "masqueraded", key: ["ipv4_addr"], interval: true },
];

export type SetName =
  | "published"
  | "published-anywhere"
  | "bridges"
  | "internal"
  | "siblings"
  | "subnets"
  | "masqueraded";

export type Elements = Partial<Record<SetName, Element[]>>;

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;

const be16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);
/** Conntrack's and fib's words are in host order, which is little-endian on both machines. */
const host32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

function ifname(name: string): Uint8Array {
  const bytes = new Uint8Array(16);
  new TextEncoder().encodeInto(name, bytes);
  return bytes;
}

function interval(subnet: Subnet): Element[] {
  const end = subnet.base + sizeOf(subnet);
  return [
    { key: addressBytes(subnet.base) },
    ...(end < 2 ** 32 ? [{ key: addressBytes(end), intervalEnd: true }] : []),
  ];
}

export function portElements(ports: readonly PublishedPort[]): Elements {
  const published: Element[] = [];
  const anywhere: Element[] = [];
  for (const port of ports) {
    const service = [Uint8Array.of(PROTOCOLS[port.protocol]), be16(port.hostPort)];
    const data = concatenate(addressBytes(port.containerIp), be16(port.containerPort));
    const address = parseAddress(port.hostIp) ?? 0;
    if (address === 0) anywhere.push({ key: concatenate(...service), data });
    else published.push({ key: concatenate(addressBytes(address), ...service), data });
  }
  return { published, "published-anywhere": anywhere };
}

export function bridgeElements(bridges: readonly FirewalledBridge[]): Elements {
  const names = (some: readonly FirewalledBridge[]) => some.map(({ name }) => ({ key: ifname(name) }));
  const outward = bridges.filter(({ internal, masquerade }) => masquerade && !internal);
  return {
    bridges: names(bridges),
    internal: names(bridges.filter(({ internal }) => internal)),
    siblings: bridges
      .filter(({ icc }) => icc)
      .map(({ name }) => ({ key: concatenate(ifname(name), ifname(name)) })),
    subnets: bridges.flatMap(({ subnet }) => interval(subnet)),
    masqueraded: outward.flatMap(({ subnet }) => interval(subnet)),
  };
}

export function elementsOf(state: FirewallState): Elements {
  return { ...portElements(state.ports), ...bridgeElements(state.bridges) };
}

/** Elements as messages; `verb` is addElements or deleteElements. */
export function elementMessages(table: string, verb: typeof addElements, elements: Elements): Message[] {
  return Object.entries(elements).flatMap(([set, some]) => verb(table, set, some));
}

export interface Chain {
  name: string;
  hook?: Hook;
  rules: readonly { comment: string; expressions: readonly X.Expression[] }[];
}

const LOOPBACK = Uint8Array.of(127);
const toLoopback = X.payload(X.IP_DESTINATION, X.R1, 1);
const fromLoopback = X.payload(X.IP_SOURCE, X.R1, 1);
const toOurBridge = [X.meta("oifname"), X.lookup("bridges")];
const translated = [X.ct("status"), ...X.anyBit(host32(NFT.IPS_DST_NAT))];
const publish = [X.fibDestinationType(), X.compare(host32(RTN_LOCAL)), X.jump("publish")];

// enum ip_conntrack_info as bits: NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)
const ESTABLISHED_OR_RELATED = 0b110;

export const CHAINS: readonly Chain[] = [
  {
    name: "publish",
    rules: [
      {
        comment: "published on one address of the host",
        expressions: [
          X.payload(X.IP_DESTINATION, X.reg32(0)),
          X.meta("l4proto", X.reg32(1)),
          X.payload(X.PORT_DESTINATION, X.reg32(2)),
          X.lookup("published", { into: X.R1 }),
          X.dnat(X.R1, X.reg32(1)),
        ],
      },
      {
        comment: "published on every address of the host",
        expressions: [
          X.meta("l4proto", X.reg32(0)),
          X.payload(X.PORT_DESTINATION, X.reg32(1)),
          X.lookup("published-anywhere", { into: X.R1 }),
          X.dnat(X.R1, X.reg32(1)),
        ],
      },
    ],
  },
  {
    name: "guard",
    hook: { type: "filter", hook: "prerouting", priority: NFT.NF_IP_PRI_RAW },
    rules: [
      {
        // route_localnet lets answers to the host's 127.0.0.1 come in by a bridge; nothing may be sent there (CVE-2020-8558).
        comment: "no container reaches the host's loopback",
        expressions: [X.meta("iifname"), X.lookup("bridges"), toLoopback, X.compare(LOOPBACK), X.drop()],
      },
    ],
  },
  {
    name: "prerouting",
    hook: { type: "nat", hook: "prerouting", priority: NFT.NF_IP_PRI_NAT_DST },
    rules: [
      {
        // A neighbour can address a frame to 127.0.0.1; translated here it would get past the kernel's own check.
        comment: "published ports, from outside",
        expressions: [toLoopback, X.compare(LOOPBACK, false), ...publish],
      },
    ],
  },
  {
    name: "output",
    hook: { type: "nat", hook: "output", priority: NFT.NF_IP_PRI_NAT_DST },
    rules: [{ comment: "published ports, from this host", expressions: publish }],
  },
  {
    name: "postrouting",
    hook: { type: "nat", hook: "postrouting", priority: NFT.NF_IP_PRI_NAT_SRC },
    rules: [
      {
        comment: "from the host's loopback to a published port",
        expressions: [...toOurBridge, fromLoopback, X.compare(LOOPBACK), X.masquerade()],
      },
      {
        comment: "from a container to a published port",
        expressions: [
          ...toOurBridge,
          ...translated,
          X.payload(X.IP_SOURCE),
          X.lookup("subnets"),
          X.masquerade(),
        ],
      },
      {
        comment: "from a container to the world",
        expressions: [
          X.meta("oifname"),
          X.lookup("bridges", { absent: true }),
          X.payload(X.IP_SOURCE),
          X.lookup("masqueraded"),
          X.masquerade(),
        ],
      },
    ],
  },
  {
    name: "forward",
    hook: { type: "filter", hook: "forward", priority: NFT.NF_IP_PRI_FILTER },
    rules: [
      {
        // Bridged packets come here too where br_netfilter is on.
        comment: "between containers of one bridge",
        expressions: [X.meta("iifname"), X.meta("oifname", X.R2), X.lookup("siblings"), X.accept()],
      },
      {
        comment: "internal networks reach nothing else",
        expressions: [X.meta("iifname"), X.lookup("internal"), X.drop()],
      },
      {
        comment: "answers to containers",
        expressions: [...toOurBridge, X.ct("state"), ...X.anyBit(host32(ESTABLISHED_OR_RELATED)), X.accept()],
      },
      { comment: "to published ports", expressions: [...toOurBridge, ...translated, X.accept()] },
      {
        comment: "nothing else reaches a container: other networks, unpublished ports",
        expressions: [...toOurBridge, X.drop()],
      },
    ],
  },
];

/** The whole table in one transaction, whatever was there before under its name: never a moment without rules. */
export function replaceTable(table: string, state: FirewallState): Message[] {
  return [
    addTable(table),
    deleteTable(table),
    addTable(table),
    ...SETS.map((set, at) => addSet(table, set, at + 1)),
    ...elementMessages(table, addElements, elementsOf(state)),
    ...CHAINS.map((chain) => addChain(table, chain.name, chain.hook)),
    ...CHAINS.flatMap((chain) =>
      chain.rules.map((rule) => addRule(table, chain.name, rule.expressions, rule.comment)),
    ),
  ];
}
