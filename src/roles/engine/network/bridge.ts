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
import {
  type Address,
  addressBytes,
  addressOf,
  broadcastOf,
  parseAddress,
  type Subnet,
  sameAddress,
} from "./address.ts";
import { raiseBridge } from "./big-tcp.ts";
import { setSysctl } from "./sysctl.ts";

export interface Bridge {
  name: string;
  /** The host's own addresses on it. */
  addresses: readonly { address: Address; subnet: Subnet }[];
  /** The user's own interface: its addresses are left alone. */
  foreign: boolean;
  mtu?: number;
  /** Whose it is, for whoever finds it later. */
  alias: string;
}

/** Docker gives it to every bridge with IPv6: containers find the host's end at one and the same address. */
const LINK_LOCAL_GATEWAY = parseAddress("fe80::1")!;

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

/** IPv6 must be on before the bridge can have such addresses, and off where it has none. */
function tuneIpv6(bridge: Bridge, on: boolean): void {
  setSysctl(
    `net/ipv6/conf/${bridge.name}/disable_ipv6`,
    on ? "0" : "1",
    on ? "its containers have no IPv6" : "the bridge has a link-local IPv6 address",
    { optional: !on },
  );
  if (!on) return;
  // The bridge is a router here, and takes no advice from routers among the containers.
  setSysctl(`net/ipv6/conf/${bridge.name}/accept_ra`, "0", "a container can advertise routes to the host");
}

function setAddresses(socket: NetlinkSocket, link: LinkInfo, bridge: Bridge): void {
  const present = addressesOf(socket, link.index);
  const wanted = bridge.addresses.map(({ address, subnet }) => ({
    info: { index: link.index, address: addressBytes(address), prefix: subnet.prefix },
    broadcast: subnet.family === 4 ? addressBytes(broadcastOf(subnet)) : undefined,
    address,
  }));
  const matches = (info: AddressInfo) =>
    wanted.find(
      (one) => sameAddress(addressOf(info.address), one.address) && one.info.prefix === info.prefix,
    );
  for (const stale of present) if (!matches(stale)) socket.request(deleteAddress(stale));
  for (const one of wanted) {
    if (!present.some((info) => matches(info) === one)) socket.request(newAddress(one.info, one.broadcast));
  }
}

function addLinkLocal(socket: NetlinkSocket, link: LinkInfo): void {
  try {
    const address = addressBytes(LINK_LOCAL_GATEWAY);
    socket.request(newAddress({ index: link.index, address, prefix: 64 }));
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
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
  const ipv6 = bridge.addresses.some(({ address }) => address.family === 6);
  if (!bridge.foreign) {
    tuneIpv6(bridge, ipv6);
    setAddresses(socket, link, bridge);
    if (ipv6) addLinkLocal(socket, link);
  }
  if (!link.up) socket.request(setLink(link.index, { up: true }));
  setSysctl(
    `net/ipv4/conf/${bridge.name}/route_localnet`,
    "1",
    "ports published by its containers do not answer at 127.0.0.1",
  );
  // A foreign bridge can have a network card among its ports.
  if (!bridge.foreign) raiseBridge(socket, link);
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
