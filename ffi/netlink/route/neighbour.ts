// Neighbour tables: a bridge's forwarding database, and ARP.
import { AF_BRIDGE, AF_INET } from "../../constants/netlink.ts";
import { NTF_MASTER, RTM_DELNEIGH } from "../../constants/rtnetlink.ts";
import { pack } from "../../struct.ts";
import { concat, encodeAttributes } from "../attributes.ts";
import type { Message } from "../message.ts";
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

/** Makes the host forget the MAC it knows for an IPv4 address on an interface. */
export function forgetNeighbour(index: number, ip: Uint8Array): Message {
  return {
    name: "RTM_DELNEIGH",
    about: `${ip.join(".")} on link ${index}`,
    type: RTM_DELNEIGH,
    flags: 0,
    body: concat([
      pack(Neighbour, { ndm_family: AF_INET, ndm_ifindex: index }),
      encodeAttributes(neighbour, { NDA_DST: ip }),
    ]),
  };
}
