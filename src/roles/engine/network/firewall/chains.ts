// The rules of our table, which never change: what changes are the elements of its sets. In nft's language they read as
// README.md shows.
import * as NFT from "../../../../../ffi/constants/nftables.ts";
import { RTN_LOCAL } from "../../../../../ffi/constants/rtnetlink.ts";
import * as X from "../../../../../ffi/netlink/nftables/expressions.ts";
import type { Hook } from "../../../../../ffi/netlink/nftables/messages.ts";

export interface Chain {
  name: string;
  hook?: Hook;
  rules: readonly { comment: string; expressions: readonly X.Expression[] }[];
}

/** The administrator's own: we make it and jump to it, and never touch what is in it. */
export const ADMIN_CHAIN = "DOCKER-USER";

/** Conntrack's and fib's words are in host order, which is little-endian on both machines. */
const host32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

const V4 = [X.meta("nfproto"), X.compare(Uint8Array.of(NFT.NFPROTO_IPV4))];
const V6 = [X.meta("nfproto"), X.compare(Uint8Array.of(NFT.NFPROTO_IPV6))];
const LOOPBACK = Uint8Array.of(127);
const LOOPBACK6 = Uint8Array.of(...new Uint8Array(15), 1);
const toLoopback = [...V4, X.payload(X.IP_DESTINATION, X.R1, 1)];
const fromLoopback = [...V4, X.payload(X.IP_SOURCE, X.R1, 1)];
const toOurBridge = [X.meta("oifname"), X.lookup("bridges")];
const toElsewhere = [X.meta("oifname"), X.lookup("bridges", { absent: true })];
const translated = [X.ct("status"), ...X.anyBit(host32(NFT.IPS_DST_NAT))];
const isLocal = [X.fibDestinationType(), X.compare(host32(RTN_LOCAL))];

// enum ip_conntrack_info as bits: NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)
const ESTABLISHED_OR_RELATED = 0b110;

/** A family's words, and how many registers of four bytes its addresses take. */
const FAMILIES = {
  4: { is: V4, number: NFT.NFPROTO_IPV4, destination: X.IP_DESTINATION, width: 1, name: "" },
  6: { is: V6, number: NFT.NFPROTO_IPV6, destination: X.IP6_DESTINATION, width: 4, name: "IPv6 " },
} as const;

/** Translation of published ports: by the address asked for and the port, then by the port alone. */
function publishing(family: 4 | 6, oneAddress: string, anyAddress: string): Chain["rules"] {
  const { is, number, destination, width, name } = FAMILIES[family];
  const service = (at: number) => [
    X.meta("l4proto", X.reg32(at)),
    X.payload(X.PORT_DESTINATION, X.reg32(at + 1)),
  ];
  const translate = (map: string) => [X.lookup(map, { into: X.R1 }), X.dnat(number, X.R1, X.reg32(width))];
  return [
    {
      comment: `published on one ${name}address of the host`,
      expressions: [...is, X.payload(destination, X.reg32(0)), ...service(width), ...translate(oneAddress)],
    },
    {
      comment: `published on every ${name}address of the host`,
      expressions: [...is, ...service(0), ...translate(anyAddress)],
    },
  ];
}

const publish: Chain = {
  name: "publish",
  rules: [
    ...publishing(4, "published", "published-anywhere"),
    ...publishing(6, "published6", "published6-anywhere"),
  ],
};

const guard: Chain = {
  name: "guard",
  hook: { type: "filter", hook: "prerouting", priority: NFT.NF_IP_PRI_RAW },
  rules: [
    {
      // route_localnet lets answers to the host's 127.0.0.1 come in by a bridge; nothing may be sent there (CVE-2020-8558).
      comment: "no container reaches the host's loopback",
      expressions: [X.meta("iifname"), X.lookup("bridges"), ...toLoopback, X.compare(LOOPBACK), X.drop()],
    },
  ],
};

const prerouting: Chain = {
  name: "prerouting",
  hook: { type: "nat", hook: "prerouting", priority: NFT.NF_IP_PRI_NAT_DST },
  rules: [
    {
      // A neighbour can address a frame to 127.0.0.1; translated here it would get past the kernel's own check.
      comment: "published ports, from outside",
      expressions: [...toLoopback, X.compare(LOOPBACK, false), ...isLocal, X.jump("publish")],
    },
    { comment: "published ports, from outside by IPv6", expressions: [...V6, ...isLocal, X.jump("publish")] },
  ],
};

const output: Chain = {
  name: "output",
  hook: { type: "nat", hook: "output", priority: NFT.NF_IP_PRI_NAT_DST },
  rules: [
    { comment: "published ports, from this host", expressions: [...V4, ...isLocal, X.jump("publish")] },
    {
      // Nothing leaves this host with ::1 in it, so those who come from there are carried by the keeper.
      comment: "published ports, from this host by IPv6",
      expressions: [
        ...V6,
        X.payload(X.IP6_DESTINATION),
        X.compare(LOOPBACK6, false),
        ...isLocal,
        X.jump("publish"),
      ],
    },
  ],
};

const fromContainers = (family: 4 | 6, set: string) => [
  ...(family === 4 ? V4 : V6),
  X.payload(family === 4 ? X.IP_SOURCE : X.IP6_SOURCE),
  X.lookup(set),
];

const sourced = (family: 4 | 6, set: string, version: number) => [
  ...toElsewhere,
  ...(family === 4 ? V4 : V6),
  X.payload(family === 4 ? X.IP_SOURCE : X.IP6_SOURCE),
  X.lookup(set, { into: X.R2 }),
  X.snat(version, X.R2),
];

const postrouting: Chain = {
  name: "postrouting",
  hook: { type: "nat", hook: "postrouting", priority: NFT.NF_IP_PRI_NAT_SRC },
  rules: [
    {
      comment: "from the host's loopback to a published port",
      expressions: [...toOurBridge, ...fromLoopback, X.compare(LOOPBACK), X.masquerade()],
    },
    {
      comment: "from a container to a published port",
      expressions: [...toOurBridge, ...translated, ...fromContainers(4, "subnets"), X.masquerade()],
    },
    {
      comment: "from a container to a published port by IPv6",
      expressions: [...toOurBridge, ...translated, ...fromContainers(6, "subnets6"), X.masquerade()],
    },
    {
      comment: "from a container to the world, by an address of its network's own",
      expressions: sourced(4, "sources", NFT.NFPROTO_IPV4),
    },
    {
      comment: "from a container to the world, by an IPv6 address of its network's own",
      expressions: sourced(6, "sources6", NFT.NFPROTO_IPV6),
    },
    {
      comment: "from a container to the world",
      expressions: [...toElsewhere, ...fromContainers(4, "masqueraded"), X.masquerade()],
    },
    {
      comment: "from a container to the world by IPv6",
      expressions: [...toElsewhere, ...fromContainers(6, "masqueraded6"), X.masquerade()],
    },
  ],
};

const opened = (family: 4 | 6, set: string) => {
  const { is, destination } = FAMILIES[family];
  return [...toOurBridge, ...is, X.payload(destination), X.lookup(set), X.accept()];
};

const reachable = (family: 4 | 6, set: string) => {
  const { is, destination, width } = FAMILIES[family];
  return [
    ...toOurBridge,
    ...is,
    X.payload(destination, X.reg32(0)),
    X.meta("l4proto", X.reg32(width)),
    X.payload(X.PORT_DESTINATION, X.reg32(width + 1)),
    X.lookup(set),
    X.accept(),
  ];
};

const forward: Chain = {
  name: "forward",
  hook: { type: "filter", hook: "forward", priority: NFT.NF_IP_PRI_FILTER },
  rules: [
    { comment: "the administrator's rules first", expressions: [X.jump(ADMIN_CHAIN)] },
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
    { comment: "to published ports without translation", expressions: reachable(4, "routed") },
    { comment: "to published IPv6 ports without translation", expressions: reachable(6, "routed6") },
    { comment: "to networks without protection", expressions: opened(4, "unprotected") },
    { comment: "to networks without protection by IPv6", expressions: opened(6, "unprotected6") },
    {
      comment: "nothing else reaches a container: other networks, unpublished ports",
      expressions: [...toOurBridge, X.drop()],
    },
  ],
};

export const CHAINS: readonly Chain[] = [publish, guard, prerouting, output, postrouting, forward];
