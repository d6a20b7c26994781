// A network's bridge on the host: made if it is missing, adopted if it is there.
import { isErrno } from "../../../../ffi/errno.ts";
import {
  type AddressInfo,
  deleteAddress,
  listAddresses,
  newAddress,
} from "../../../../ffi/netlink/route/address.ts";
import {
  deleteLink,
  findLink,
  type LinkInfo,
  newBridge,
  setLink,
} from "../../../../ffi/netlink/route/link.ts";
import type { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { addressBytes, addressOf, broadcastOf, type Subnet } from "./address.ts";
import { setSysctl } from "./sysctl.ts";

export interface Bridge {
  name: string;
  gateway: number;
  subnet: Subnet;
  /** The user's own interface: its addresses are left alone. */
  foreign: boolean;
  mtu?: number;
  /** Whose it is, for whoever finds it later. */
  alias: string;
}

function randomMac(): Uint8Array {
  // A fixed address of its own: otherwise a bridge takes the lowest of its ports' and changes with every container.
  return Uint8Array.of(0x02, 0x42, ...crypto.getRandomValues(new Uint8Array(4)));
}

export function addressesOf(socket: NetlinkSocket, index: number): AddressInfo[] {
  return listAddresses(socket).filter((info) => info.index === index);
}

function create(socket: NetlinkSocket, bridge: Bridge): LinkInfo {
  socket.request(newBridge({ name: bridge.name, mac: randomMac(), mtu: bridge.mtu }));
  const link = findLink(socket, bridge.name);
  if (!link) throw new Error(`bridge ${bridge.name} vanished while it was made`);
  socket.request(setLink(link.index, { alias: bridge.alias }));
  return link;
}

function setAddress(socket: NetlinkSocket, link: LinkInfo, bridge: Bridge): void {
  const wanted = { index: link.index, address: addressBytes(bridge.gateway), prefix: bridge.subnet.prefix };
  const present = addressesOf(socket, link.index);
  const isWanted = (info: AddressInfo) =>
    addressOf(info.address) === bridge.gateway && info.prefix === wanted.prefix;
  if (present.some(isWanted)) return;
  for (const stale of present) socket.request(deleteAddress(stale));
  socket.request(newAddress(wanted, addressBytes(broadcastOf(bridge.subnet))));
}

/** Makes the bridge what it should be; what is right already is not touched. Returns its interface index. Throws. */
export function ensureBridge(socket: NetlinkSocket, bridge: Bridge): number {
  const present = findLink(socket, bridge.name);
  if (present && present.kind !== "bridge") {
    throw new Error(`interface ${bridge.name} exists and is no bridge (${present.kind || "hardware"})`);
  }
  if (!present && bridge.foreign) {
    throw new Error(`bridge device with non default name ${bridge.name} must be created manually`);
  }
  const link = present ?? create(socket, bridge);
  if (!bridge.foreign) setAddress(socket, link, bridge);
  if (!link.up) socket.request(setLink(link.index, { up: true }));
  setSysctl(
    `net/ipv4/conf/${bridge.name}/route_localnet`,
    "1",
    "ports published by its containers do not answer at 127.0.0.1",
  );
  return link.index;
}

/** Removes the bridge; one that is not there is no error. */
export function removeBridge(socket: NetlinkSocket, name: string): void {
  try {
    socket.request(deleteLink(name));
  } catch (error) {
    if (!isErrno(error, "ENODEV")) throw error;
  }
}
