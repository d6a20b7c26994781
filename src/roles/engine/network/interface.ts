// A container's interface: one end a port of the bridge, the other eth0 inside.
import { writeFileSync } from "node:fs";
import { O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import { newAddress } from "../../../../ffi/netlink/route/address.ts";
import { deleteLink, findLink, newVeth, setBridgePort, setLink } from "../../../../ffi/netlink/route/link.ts";
import { forgetForwarding, forgetNeighbour } from "../../../../ffi/netlink/route/neighbour.ts";
import { newDefaultRoute } from "../../../../ffi/netlink/route/route.ts";
import { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { inNetns } from "../../../../ffi/netns.ts";
import { addressBytes, broadcastOf, type Subnet } from "./address.ts";

export interface ContainerInterface {
  hostName: string;
  /** Index of the bridge. */
  bridge: number;
  name: string;
  mac: Uint8Array;
  customMac: boolean;
  address: number;
  subnet: Subnet;
  /** Absent where another network has the default route, and on internal networks. */
  gateway?: number;
  mtu?: number;
  /** Containers of this network reach each other. */
  icc: boolean;
}

/** Without IPv6 on the network there is no link-local address either, as with docker; a kernel without IPv6 has no such file. */
function tune(iface: ContainerInterface): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${iface.name}/disable_ipv6`, "1");
  } catch (error) {
    if (!isErrno(error, "ENOENT", "EROFS", "EACCES", "EPERM")) throw error;
  }
  // The address may have had another MAC before: tell those who remember it.
  if (iface.customMac) writeFileSync(`/proc/sys/net/ipv4/conf/${iface.name}/arp_notify`, "1");
}

const LOOPBACK_INDEX = 1;

function configureInside(iface: ContainerInterface): void {
  using socket = NetlinkSocket.open("route");
  const link = findLink(socket, iface.name);
  if (!link) throw new Error(`interface ${iface.name} vanished from the container`);
  tune(iface);
  socket.request(setLink(LOOPBACK_INDEX, { up: true }));
  socket.request(
    newAddress(
      { index: link.index, address: addressBytes(iface.address), prefix: iface.subnet.prefix },
      addressBytes(broadcastOf(iface.subnet)),
    ),
  );
  socket.request(setLink(link.index, { up: true }));
  if (iface.gateway !== undefined) {
    socket.request(newDefaultRoute(addressBytes(iface.gateway), link.index));
  }
}

function openNamespace(path: string): Fd {
  try {
    return open(path, O_RDONLY);
  } catch (error) {
    throw new Error(`cannot open the container's network namespace: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Gives the network namespace its interface. When a step fails nothing of it is left. Throws. */
export function attachInterface(socket: NetlinkSocket, netns: string, iface: ContainerInterface): void {
  using namespace = openNamespace(netns);
  socket.request(
    newVeth({
      name: iface.hostName,
      bridge: iface.bridge,
      mtu: iface.mtu,
      peer: { netns: namespace, name: iface.name, mac: iface.mac },
    }),
  );
  try {
    socket.request(setBridgePort(iface.hostName, { hairpin: true, isolated: !iface.icc }));
    inNetns(namespace, () => configureInside(iface));
  } catch (error) {
    removeInterface(socket, iface.hostName);
    throw error;
  }
}

/** Only brings up the loopback device: containers of the network "none". */
export function attachLoopback(netns: string): void {
  using namespace = openNamespace(netns);
  inNetns(namespace, () => {
    using socket = NetlinkSocket.open("route");
    socket.request(setLink(LOOPBACK_INDEX, { up: true }));
  });
}

/** Removes the pair (20 ms: the kernel waits for RCU). One that is gone is no error. */
export function removeInterface(socket: NetlinkSocket, hostName: string): void {
  try {
    socket.request(deleteLink(hostName));
  } catch (error) {
    if (!isErrno(error, "ENODEV")) throw error;
  }
}

/**
 * After a container's end its interface dies with its namespace, a moment later. Until then nothing may lead there any more:
 * the next container can have the same address and MAC.
 */
export function forgetInterface(
  socket: NetlinkSocket,
  gone: { hostName: string; bridge: number; mac: Uint8Array; address: number; customMac: boolean },
): void {
  const tolerate = (work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENODEV", "EINVAL", "EOPNOTSUPP")) throw error;
    }
  };
  const link = findLink(socket, gone.hostName);
  if (link) tolerate(() => socket.request(forgetForwarding(link.index, gone.mac)));
  if (gone.customMac) {
    tolerate(() => socket.request(forgetNeighbour(gone.bridge, addressBytes(gone.address))));
  }
}

/** Gives a container whose default route went away another one. */
export function addDefaultRoute(netns: string, name: string, gateway: number): void {
  using namespace = openNamespace(netns);
  inNetns(namespace, () => {
    using socket = NetlinkSocket.open("route");
    const link = findLink(socket, name);
    if (!link) return;
    try {
      socket.request(newDefaultRoute(addressBytes(gateway), link.index));
    } catch (error) {
      // It has one: the network that was left was not the one.
      if (!isErrno(error, "EEXIST")) throw error;
    }
  });
}
