// Our nftables table as data: what its sets are to hold for given bridges and published ports. Every change of state is a
// change of set elements; the rules (chains.ts) never change.
import * as NFT from "../../../../../ffi/constants/nftables.ts";
import type { Message } from "../../../../../ffi/netlink/message.ts";
import {
  addChain,
  addElements,
  addRule,
  addSet,
  addTable,
  concatenate,
  deleteChain,
  deleteRules,
  deleteSet,
  type Element,
  type SetDefinition,
  type TableName,
} from "../../../../../ffi/netlink/nftables/messages.ts";
import { type Address, addressBytes, bitsOf, nth, parseAddress, type Subnet, sizeOf } from "../address.ts";
import type { Publication } from "../ports.ts";
import { ADMIN_CHAIN, CHAINS } from "./chains.ts";

/** A bridge network as the firewall sees it. */
export interface FirewalledBridge {
  name: string;
  subnets: readonly Subnet[];
  /** No way in or out of the bridge. */
  internal: boolean;
  /** Packets from here that leave the host get `source`, or the address of the interface they leave by. */
  masquerade: readonly { subnet: Subnet; source: Address | undefined }[];
  /** Everybody reaches every port of these. */
  open: readonly Subnet[];
  /** Containers on the bridge reach one another. */
  icc: boolean;
}

/** A published port with the container's address it leads to. */
export interface PublishedPort extends Publication {
  containerIp: Address;
  /** Let through to the container's own address, not translated. */
  routed?: boolean;
}

export interface FirewallState {
  bridges: readonly FirewalledBridge[];
  ports: readonly PublishedPort[];
}

export const tableName = (name: string): TableName => ({ family: NFT.NFPROTO_INET, name });

const TARGET = ["ipv4_addr", "inet_service"] as const;
const TARGET6 = ["ipv6_addr", "inet_service"] as const;

export const SETS = [
  // Published on one address of the host, and on all of them.
  { name: "published", key: ["ipv4_addr", "inet_proto", "inet_service"], data: TARGET },
  { name: "published-anywhere", key: ["inet_proto", "inet_service"], data: TARGET },
  { name: "published6", key: ["ipv6_addr", "inet_proto", "inet_service"], data: TARGET6 },
  { name: "published6-anywhere", key: ["inet_proto", "inet_service"], data: TARGET6 },
  { name: "routed", key: ["ipv4_addr", "inet_proto", "inet_service"] },
  { name: "routed6", key: ["ipv6_addr", "inet_proto", "inet_service"] },
  { name: "bridges", key: ["ifname"] },
  { name: "internal", key: ["ifname"] },
  { name: "siblings", key: ["ifname", "ifname"] },
  { name: "subnets", key: ["ipv4_addr"], interval: true },
  { name: "subnets6", key: ["ipv6_addr"], interval: true },
  { name: "masqueraded", key: ["ipv4_addr"], interval: true },
  { name: "masqueraded6", key: ["ipv6_addr"], interval: true },
  { name: "sources", key: ["ipv4_addr"], data: ["ipv4_addr"], interval: true },
  { name: "sources6", key: ["ipv6_addr"], data: ["ipv6_addr"], interval: true },
  { name: "unprotected", key: ["ipv4_addr"], interval: true },
  { name: "unprotected6", key: ["ipv6_addr"], interval: true },
] as const satisfies readonly SetDefinition[];

export type SetName = (typeof SETS)[number]["name"];
export type Elements = Partial<Record<SetName, Element[]>>;

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;

const be16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

function ifname(name: string): Uint8Array {
  const bytes = new Uint8Array(16);
  new TextEncoder().encodeInto(name, bytes);
  return bytes;
}

function interval(subnet: Subnet, data?: Uint8Array): Element[] {
  const end = subnet.base + sizeOf(subnet);
  return [
    { key: addressBytes(nth(subnet, 0n)), ...(data ? { data } : {}) },
    ...(end < 1n << BigInt(bitsOf(subnet.family))
      ? [{ key: addressBytes({ family: subnet.family, value: end }), intervalEnd: true }]
      : []),
  ];
}

export function portElements(ports: readonly PublishedPort[]): Elements {
  const elements: Elements = {};
  const add = (set: SetName, element: Element) => {
    elements[set] = [...(elements[set] ?? []), element];
  };
  for (const port of ports) {
    const protocol = Uint8Array.of(PROTOCOLS[port.protocol]);
    const inside = addressBytes(port.containerIp);
    const six = port.containerIp.family === 6;
    if (port.routed) {
      add(six ? "routed6" : "routed", { key: concatenate(inside, protocol, be16(port.containerPort)) });
      continue;
    }
    const data = concatenate(inside, be16(port.containerPort));
    const service = [protocol, be16(port.hostPort)];
    const address = parseAddress(port.hostIp);
    if (!address || address.value === 0n) {
      add(six ? "published6-anywhere" : "published-anywhere", { key: concatenate(...service), data });
    } else {
      add(six ? "published6" : "published", { key: concatenate(addressBytes(address), ...service), data });
    }
  }
  return elements;
}

export function bridgeElements(bridges: readonly FirewalledBridge[]): Elements {
  const names = (some: readonly FirewalledBridge[]) => some.map(({ name }) => ({ key: ifname(name) }));
  const outward = bridges.flatMap(({ internal, masquerade }) => (internal ? [] : masquerade));
  const of = (family: 4 | 6, subnets: readonly Subnet[]) =>
    subnets.filter((subnet) => subnet.family === family).flatMap((subnet) => interval(subnet));
  const subnets = bridges.flatMap((bridge) => bridge.subnets);
  const open = bridges.flatMap((bridge) => bridge.open);
  const plain = outward.filter(({ source }) => !source).map(({ subnet }) => subnet);
  const sources = (family: 4 | 6) =>
    outward.flatMap(({ subnet, source }) =>
      source && subnet.family === family ? interval(subnet, addressBytes(source)) : [],
    );
  return {
    bridges: names(bridges),
    internal: names(bridges.filter(({ internal }) => internal)),
    siblings: bridges
      .filter(({ icc }) => icc)
      .map(({ name }) => ({ key: concatenate(ifname(name), ifname(name)) })),
    subnets: of(4, subnets),
    subnets6: of(6, subnets),
    masqueraded: of(4, plain),
    masqueraded6: of(6, plain),
    sources: sources(4),
    sources6: sources(6),
    unprotected: of(4, open),
    unprotected6: of(6, open),
  };
}

export function elementsOf(state: FirewallState): Elements {
  return { ...portElements(state.ports), ...bridgeElements(state.bridges) };
}

/** Elements as messages; `verb` is addElements or deleteElements. */
export function elementMessages(table: string, verb: typeof addElements, elements: Elements): Message[] {
  return Object.entries(elements).flatMap(([set, some]) => verb(tableName(table), set, some));
}

/** What is in the kernel under the table's name. */
export interface Present {
  chains: readonly string[];
  sets: readonly string[];
}

/**
 * The whole table in one transaction, whatever was there before under its name: never a moment without rules. The
 * administrator's chain stays as it is; all else goes and is made anew.
 */
export function replaceTable(name: string, state: FirewallState, present: Present): Message[] {
  const table = tableName(name);
  const chains = present.chains.filter((chain) => chain !== ADMIN_CHAIN);
  return [
    addTable(table),
    ...chains.map((chain) => deleteRules(table, chain)),
    ...chains.map((chain) => deleteChain(table, chain)),
    ...present.sets.map((set) => deleteSet(table, set)),
    addChain(table, ADMIN_CHAIN),
    ...SETS.map((set, at) => addSet(table, set, at + 1)),
    ...elementMessages(name, addElements, elementsOf(state)),
    ...CHAINS.map((chain) => addChain(table, chain.name, chain.hook)),
    ...CHAINS.flatMap((chain) =>
      chain.rules.map((rule) => addRule(table, chain.name, rule.expressions, rule.comment)),
    ),
  ];
}
