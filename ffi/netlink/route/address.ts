// IPv4 addresses of interfaces.
import { AF_INET, NLM_F_CREATE, NLM_F_EXCL } from "../../constants/netlink.ts";
import { RT_SCOPE_UNIVERSE, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR } from "../../constants/rtnetlink.ts";
import { field, pack } from "../../struct.ts";
import { concat, decodeAttributes, encodeAttributes } from "../attributes.ts";
import type { Message } from "../message.ts";
import type { NetlinkSocket } from "../socket.ts";
import { Address, address } from "./tables.ts";

export interface AddressInfo {
  index: number;
  /** 4 bytes. */
  address: Uint8Array;
  prefix: number;
}

function message(
  name: string,
  type: number,
  flags: number,
  info: AddressInfo,
  broadcast?: Uint8Array,
): Message {
  return {
    name,
    about: `${info.address.join(".")}/${info.prefix} on link ${info.index}`,
    type,
    flags,
    body: concat([
      pack(Address, {
        ifa_family: AF_INET,
        ifa_prefixlen: info.prefix,
        ifa_scope: RT_SCOPE_UNIVERSE,
        ifa_index: info.index,
      }),
      encodeAttributes(address, {
        IFA_LOCAL: info.address,
        IFA_ADDRESS: info.address,
        IFA_BROADCAST: broadcast,
      }),
    ]),
  };
}

export function newAddress(info: AddressInfo, broadcast?: Uint8Array): Message {
  return message("RTM_NEWADDR", RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, info, broadcast);
}

export function deleteAddress(info: AddressInfo): Message {
  return message("RTM_DELADDR", RTM_DELADDR, 0, info);
}

/** All IPv4 addresses of the socket's namespace. */
export function listAddresses(socket: NetlinkSocket): AddressInfo[] {
  return socket
    .dump({
      name: "RTM_GETADDR",
      about: "",
      type: RTM_GETADDR,
      flags: 0,
      body: pack(Address, { ifa_family: AF_INET }),
    })
    .filter((reply) => reply.type === RTM_NEWADDR)
    .map((reply) => {
      const attributes = decodeAttributes(address, reply.body.subarray(Address.size));
      return {
        index: field(Address, reply.body, "ifa_index"),
        address: (attributes["IFA_LOCAL"] ?? attributes["IFA_ADDRESS"]) as Uint8Array,
        prefix: field(Address, reply.body, "ifa_prefixlen"),
      };
    });
}
