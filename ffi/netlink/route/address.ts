// IPv4 and IPv6 addresses of interfaces.
import { AF_INET, AF_INET6, AF_UNSPEC, NLM_F_CREATE, NLM_F_EXCL } from "../../constants/netlink.ts";
import {
  IFA_F_NODAD,
  IFA_F_PERMANENT,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from "../../constants/rtnetlink.ts";
import { field, pack } from "../../struct.ts";
import { concat, decodeAttributes, encodeAttributes } from "../attributes.ts";
import type { Message } from "../message.ts";
import type { NetlinkSocket } from "../socket.ts";
import { Address, address } from "./tables.ts";

export interface AddressInfo {
  index: number;
  /** 4 bytes, or 16. */
  address: Uint8Array;
  prefix: number;
}

/** An address of either family for error texts. */
export const addressText = (bytes: Uint8Array): string =>
  bytes.length === 4
    ? bytes.join(".")
    : (Buffer.from(bytes).toString("hex").match(/..../g) ?? [])
        .map((part) => part.replace(/^0{1,3}/, ""))
        .join(":");

const isLinkLocal = (bytes: Uint8Array): boolean =>
  bytes.length === 16
    ? bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80
    : bytes[0] === 169 && bytes[1] === 254;

function message(
  name: string,
  type: number,
  flags: number,
  info: AddressInfo,
  broadcast?: Uint8Array,
): Message {
  const v6 = info.address.length === 16;
  return {
    name,
    about: `${addressText(info.address)}/${info.prefix} on link ${info.index}`,
    type,
    flags,
    body: concat([
      pack(Address, {
        ifa_family: v6 ? AF_INET6 : AF_INET,
        ifa_prefixlen: info.prefix,
        // Who assigned it knows that nobody else has it; without this it would be of no use for a second.
        ifa_flags: v6 ? IFA_F_NODAD : 0,
        ifa_scope: isLinkLocal(info.address) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
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

/**
 * The permanent, global addresses (IPv4 and IPv6) of an interface, as requests that give them to another one: for a device
 * that moves to another network namespace, where it loses them.
 */
export function portableAddresses(socket: NetlinkSocket, index: number): ((index: number) => Message)[] {
  return socket
    .dump({ name: "RTM_GETADDR", about: "", type: RTM_GETADDR, flags: 0, body: pack(Address, {}) })
    .filter(
      ({ type, body }) =>
        type === RTM_NEWADDR &&
        field(Address, body, "ifa_index") === index &&
        field(Address, body, "ifa_scope") === RT_SCOPE_UNIVERSE &&
        (field(Address, body, "ifa_flags") & IFA_F_PERMANENT) !== 0,
    )
    .map(({ body }) => {
      // Its label and life times stay behind.
      const { IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST } = decodeAttributes(
        address,
        body.subarray(Address.size),
      );
      const family = field(Address, body, "ifa_family");
      const prefix = field(Address, body, "ifa_prefixlen");
      return (to) => ({
        name: "RTM_NEWADDR",
        about: `link ${to}`,
        type: RTM_NEWADDR,
        flags: NLM_F_CREATE | NLM_F_EXCL,
        body: concat([
          pack(Address, { ifa_family: family, ifa_prefixlen: prefix, ifa_index: to }),
          encodeAttributes(address, { IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST }),
        ]),
      });
    });
}

/** All addresses of the socket's namespace; link-local IPv6 ones are left out unless asked for. */
export function listAddresses(socket: NetlinkSocket, options: { linkLocal?: boolean } = {}): AddressInfo[] {
  return socket
    .dump({
      name: "RTM_GETADDR",
      about: "",
      type: RTM_GETADDR,
      flags: 0,
      body: pack(Address, { ifa_family: AF_UNSPEC }),
    })
    .filter((reply) => reply.type === RTM_NEWADDR)
    .map((reply) => {
      const attributes = decodeAttributes(address, reply.body.subarray(Address.size));
      return {
        index: field(Address, reply.body, "ifa_index"),
        address: (attributes["IFA_LOCAL"] ?? attributes["IFA_ADDRESS"]) as Uint8Array,
        prefix: field(Address, reply.body, "ifa_prefixlen"),
      };
    })
    .filter((info) => options.linkLocal === true || info.address.length === 4 || !isLinkLocal(info.address));
}
