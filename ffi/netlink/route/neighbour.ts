// Neighbour tables: ARP and neighbour discovery.
import { AF_INET, AF_INET6 } from "../../constants/netlink.ts";
import { RTM_DELNEIGH } from "../../constants/rtnetlink.ts";
import { pack } from "../../struct.ts";
import { concat, encodeAttributes } from "../attributes.ts";
import type { Message } from "../message.ts";
import { addressText } from "./address.ts";
import { Neighbour, neighbour } from "./tables.ts";

/** Makes the host forget the MAC it knows for an address on an interface. */
export function forgetNeighbour(index: number, ip: Uint8Array): Message {
  return {
    name: "RTM_DELNEIGH",
    about: `${addressText(ip)} on link ${index}`,
    type: RTM_DELNEIGH,
    flags: 0,
    body: concat([
      pack(Neighbour, { ndm_family: ip.length === 16 ? AF_INET6 : AF_INET, ndm_ifindex: index }),
      encodeAttributes(neighbour, { NDA_DST: ip }),
    ]),
  };
}
