// Neighbour tables: a bridge's forwarding database, ARP and neighbour discovery.
import { AF_BRIDGE, AF_INET, AF_INET6 } from "../../constants/netlink.ts";
import { NTF_MASTER, RTM_DELNEIGH } from "../../constants/rtnetlink.ts";
import { pack } from "../../struct.ts";
import { concat, encodeAttributes } from "../attributes.ts";
import type { Message } from "../message.ts";
import { addressText } from "./address.ts";
import { Neighbour, neighbour } from "./tables.ts";

/** Makes a bridge forget that a MAC was seen on this port (interface index of the port). */
export function forgetForwarding(port: number, mac: Uint8Array): Message {
  return {
    name: "RTM_DELNEIGH",
    about: `bridge port ${port}`,
    type: RTM_DELNEIGH,
    flags: 0,
    body: concat([
      pack(Neighbour, { ndm_family: AF_BRIDGE, ndm_ifindex: port, ndm_flags: NTF_MASTER }),
      encodeAttributes(neighbour, { NDA_LLADDR: mac }),
    ]),
  };
}

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
