// In the container's network namespace: questions to 127.0.0.11:53 go to the ports that the keeper listens on, and answers
// come from port 53. The resolver does not sit on port 53 itself, because a container with a DNS server of its own could then
// not have it on all its addresses. Ports are rewritten, not translated: that needs no connection tracking in the container.
import * as NFT from "../../../ffi/constants/nftables.ts";
import * as X from "../../../ffi/netlink/nftables/expressions.ts";
import { addChain, addRule, addTable, deleteTable } from "../../../ffi/netlink/nftables/messages.ts";
import { commit } from "../../../ffi/netlink/nftables/transaction.ts";
import { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import { RESOLVER_ADDRESS } from "../../wire/keeper/record.ts";

const TABLE = { family: NFT.NFPROTO_IPV4, name: "bunker-resolver" };
const DNS_PORT = Uint8Array.of(0, 53);
const ADDRESS = Uint8Array.from(RESOLVER_ADDRESS.split("."), Number);
const PROTOCOL = { udp: 17, tcp: 6 } as const;
/** Where the header keeps its checksum. */
const CHECKSUM = { udp: 6, tcp: 16 } as const;

const port = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

function rules(transport: "udp" | "tcp", listening: number): X.Expression[][] {
  const is = [X.meta("l4proto"), X.compare(Uint8Array.of(PROTOCOL[transport]))];
  return [
    [
      X.payload(X.IP_DESTINATION),
      X.compare(ADDRESS),
      ...is,
      X.payload(X.PORT_DESTINATION),
      X.compare(DNS_PORT),
      X.load(port(listening)),
      X.setPayload(X.PORT_DESTINATION, CHECKSUM[transport]),
    ],
    [
      X.payload(X.IP_SOURCE),
      X.compare(ADDRESS),
      ...is,
      X.payload(X.PORT_SOURCE),
      X.compare(port(listening)),
      X.load(DNS_PORT),
      X.setPayload(X.PORT_SOURCE, CHECKSUM[transport]),
    ],
  ];
}

/** Sets up the redirection in the namespace that this thread is in, in the place of an earlier one. Throws NetlinkError. */
export function redirect(ports: { udp: number; tcp: number }): void {
  using socket = NetlinkSocket.open("netfilter");
  commit(socket, [
    addTable(TABLE),
    deleteTable(TABLE),
    addTable(TABLE),
    addChain(TABLE, "output", { type: "filter", hook: "output", priority: NFT.NF_IP_PRI_RAW }),
    ...(["udp", "tcp"] as const).flatMap((transport) =>
      rules(transport, ports[transport]).map((expressions) => addRule(TABLE, "output", expressions)),
    ),
  ]);
}
