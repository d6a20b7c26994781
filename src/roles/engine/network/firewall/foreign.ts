// Other people's forward chains. A drop in any table is final whatever ours says, so a firewall with a forward policy of drop
// (ufw, firewalld, the one a real dockerd leaves behind) would cut our containers off. At the end of such a chain, before its
// final drop, stand two plain rules for each of our bridges; whatever the administrator wrote before them goes first, and
// what may pass is still our own table's to say. Plain, because iptables-nft must be able to read its own tables.
import * as NFT from "../../../../../ffi/constants/nftables.ts";
import type { Message } from "../../../../../ffi/netlink/message.ts";
import * as X from "../../../../../ffi/netlink/nftables/expressions.ts";
import {
  type ChainInfo,
  listChains,
  listRules,
  type RuleInfo,
} from "../../../../../ffi/netlink/nftables/list.ts";
import { addRule, deleteRules } from "../../../../../ffi/netlink/nftables/messages.ts";
import { commit } from "../../../../../ffi/netlink/nftables/transaction.ts";
import type { NetlinkSocket } from "../../../../../ffi/netlink/socket.ts";

const FAMILIES: Readonly<Record<number, string>> = {
  [NFT.NFPROTO_INET]: "inet",
  [NFT.NFPROTO_IPV4]: "ip",
  [NFT.NFPROTO_IPV6]: "ip6",
};

/** As nft(8) names it. */
export const chainText = ({ table, name }: ChainInfo): string =>
  `table ${FAMILIES[table.family] ?? table.family} ${table.name}, chain ${name}`;

/** Our engines' tables: each admits its own. */
const OURS = /^bunker(-[0-9a-f]{8})?$/;

export interface Barrier {
  chain: ChainInfo;
  rules: RuleInfo[];
  /** The rule that drops whatever got to the end; undefined where the policy does. */
  last: RuleInfo | undefined;
}

/** Forward chains of other tables that end in a drop. */
export function barriers(socket: NetlinkSocket): Barrier[] {
  return listChains(socket, NFT.NFPROTO_UNSPEC)
    .filter(
      ({ hook, table }) => hook?.hook === "forward" && table.family in FAMILIES && !OURS.test(table.name),
    )
    .flatMap((chain) => {
      const rules = listRules(socket, chain.table, chain.name).filter((rule) => rule.chain === chain.name);
      const last = rules.find(({ expressions }) => X.dropsEverything(expressions));
      return last || chain.hook?.drops ? [{ chain, rules, last }] : [];
    });
}

function ifname(name: string): Uint8Array {
  return new TextEncoder().encode(`${name}\0`.padEnd(16, "\0"));
}

const admission = (way: "iifname" | "oifname", bridge: string) => [
  X.meta(way),
  X.compare(ifname(bridge)),
  X.counter(),
  X.accept(),
];

const commentOf = (owner: string, way: string, bridge: string) => `${owner} ${way} ${bridge}`;

/** Whether packets of the bridge pass the barrier. */
export function admits({ rules, last }: Barrier, owner: string, bridge: string): boolean {
  const end = last ? rules.indexOf(last) : rules.length;
  const before = new Set(rules.slice(0, end).map(({ comment }) => comment));
  return before.has(commentOf(owner, "iifname", bridge)) && before.has(commentOf(owner, "oifname", bridge));
}

/**
 * Makes every barrier let packets of these bridges (and of no others any more) pass. `owner` marks the rules as this engine's.
 * Returns a line for each chain it changed. Throws NetlinkError.
 */
export function admit(socket: NetlinkSocket, owner: string, bridges: readonly string[]): string[] {
  const done: string[] = [];
  for (const barrier of barriers(socket)) {
    const { chain, rules, last } = barrier;
    const wanted = bridges.flatMap((bridge) =>
      (["iifname", "oifname"] as const).map((way) => ({ way, bridge })),
    );
    const names = new Set(wanted.map(({ way, bridge }) => commentOf(owner, way, bridge)));
    const mine = rules.filter(({ comment }) => comment.startsWith(`${owner} `));
    if (mine.length === wanted.length && bridges.every((bridge) => admits(barrier, owner, bridge))) continue;
    const kept = new Set(bridges.filter((bridge) => admits(barrier, owner, bridge)));
    const stale = mine.filter(({ comment }) => !names.has(comment) || !kept.has(comment.split(" ").at(-1)!));
    const messages: Message[] = [
      ...stale.map(({ handle }) => deleteRules(chain.table, chain.name, handle)),
      ...wanted
        .filter(({ bridge }) => !kept.has(bridge))
        .map(({ way, bridge }) =>
          addRule(
            chain.table,
            chain.name,
            admission(way, bridge),
            commentOf(owner, way, bridge),
            last?.handle,
          ),
        ),
    ];
    commit(socket, messages);
    if (wanted.length > 0) done.push(`way through ${chainText(chain)}`);
  }
  return done;
}
