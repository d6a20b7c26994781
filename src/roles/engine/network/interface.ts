// A container's interface: one end a port of the bridge and the other eth0 inside, or a device on top of a parent interface.
import { writeFileSync } from "node:fs";
import { O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import { newAddress } from "../../../../ffi/netlink/route/address.ts";
import {
  deleteLink,
  findLink,
  newVeth,
  setBridgePort,
  setLink,
  shutBridgePort,
} from "../../../../ffi/netlink/route/link.ts";
import { forgetNeighbour } from "../../../../ffi/netlink/route/neighbour.ts";
import { replaceDefaultRoute } from "../../../../ffi/netlink/route/route.ts";
import { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { inNetns } from "../../../../ffi/netns.ts";
import { type Address, addressBytes, broadcastOf, type Subnet } from "./address.ts";
import { BIG } from "./big-tcp.ts";
import { makeStacked, type StackedKind } from "./parent.ts";

/** How a container's packets leave: by a gateway, or (a family alone) everything is on the link. */
export type Way = Address | 4 | 6;

/** What the device itself is. */
export type Device =
  /** `bridge`: interface index; `icc`: containers of this network reach each other. */
  | { kind: "veth"; hostName: string; bridge: number; icc: boolean }
  | { kind: "stacked"; parent: number; how: StackedKind };

export interface ContainerInterface {
  device: Device;
  name: string;
  /** Absent where it has its parent's. */
  mac: Uint8Array | undefined;
  customMac: boolean;
  addresses: readonly { address: Address; subnet: Subnet }[];
  /** Default routes; none where another network has them, and on internal networks. */
  ways: readonly Way[];
  mtu?: number;
  sysctls: readonly { path: string; value: string }[];
}

const LOOPBACK_INDEX = 1;

/** A kernel without IPv6 has no such file; a container's /proc/sys may be read-only. */
function tryWrite(path: string, value: string): void {
  try {
    writeFileSync(path, value);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "EROFS", "EACCES", "EPERM")) throw error;
  }
}

function tune(iface: ContainerInterface): void {
  // Without IPv6 on the network there is no link-local address either, as with docker.
  const ipv6 = iface.addresses.some(({ address }) => address.family === 6);
  if (!ipv6) tryWrite(`/proc/sys/net/ipv6/conf/${iface.name}/disable_ipv6`, "1");
  else {
    tryWrite(`/proc/sys/net/ipv6/conf/${iface.name}/disable_ipv6`, "0");
    tryWrite(`/proc/sys/net/ipv6/conf/${iface.name}/accept_ra`, "0");
    tryWrite(`/proc/sys/net/ipv6/conf/${iface.name}/ndisc_notify`, "1");
  }
  // The address may have had another MAC before: tell those who remember it.
  if (iface.customMac) writeFileSync(`/proc/sys/net/ipv4/conf/${iface.name}/arp_notify`, "1");
  for (const { path, value } of iface.sysctls) {
    try {
      writeFileSync(`/proc/sys/${path}`, value);
    } catch (error) {
      throw new Error(`cannot set ${path}=${value} in the container: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

const wayBytes = (way: Way): Uint8Array | 4 | 6 => (typeof way === "number" ? way : addressBytes(way));

function configureInside(iface: ContainerInterface): void {
  using socket = NetlinkSocket.open("route");
  const link = findLink(socket, iface.name);
  if (!link) throw new Error(`interface ${iface.name} vanished from the container`);
  tune(iface);
  socket.request(setLink(LOOPBACK_INDEX, { up: true }));
  for (const { address, subnet } of iface.addresses) {
    const info = { index: link.index, address: addressBytes(address), prefix: subnet.prefix };
    socket.request(newAddress(info, subnet.family === 4 ? addressBytes(broadcastOf(subnet)) : undefined));
  }
  socket.request(setLink(link.index, { up: true }));
  for (const way of iface.ways) socket.request(replaceDefaultRoute(wayBytes(way), link.index));
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

function makeDevice(
  socket: NetlinkSocket,
  namespace: Fd,
  { device, name, mac, mtu }: ContainerInterface,
): void {
  if (device.kind === "stacked") {
    makeStacked(socket, { name, parent: device.parent, netns: namespace, mac, mtu, kind: device.how });
    return;
  }
  const { hostName, bridge, icc } = device;
  socket.request(
    newVeth({ name: hostName, bridge, mtu, gsoIpv4Max: BIG, peer: { netns: namespace, name, mac: mac! } }),
  );
  try {
    socket.request(setBridgePort(hostName, { hairpin: true, isolated: !icc }));
  } catch (error) {
    removeInterface(socket, hostName);
    throw error;
  }
}

/** Gives the network namespace its interface. When a step fails nothing of it is left. Throws. */
export function attachInterface(socket: NetlinkSocket, netns: string, iface: ContainerInterface): void {
  using namespace = openNamespace(netns);
  makeDevice(socket, namespace, iface);
  try {
    inNetns(namespace, () => configureInside(iface));
  } catch (error) {
    if (iface.device.kind === "veth") removeInterface(socket, iface.device.hostName);
    else removeInside(netns, iface.name);
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

/** Removes an interface that has no end on the host from a container that runs on. */
export function removeInside(netns: string, name: string): void {
  using namespace = openNamespace(netns);
  inNetns(namespace, () => {
    using socket = NetlinkSocket.open("route");
    removeInterface(socket, name);
  });
}

/**
 * After a container's end its interface dies with its namespace, a moment later. Until then nothing may lead there any more,
 * and nothing may come from there: a last FIN would teach the bridge the old port again, and the next container can have the
 * same address and MAC.
 */
export function forgetInterface(
  socket: NetlinkSocket,
  gone: {
    hostName: string;
    bridge: number;
    mac: Uint8Array;
    addresses: readonly Address[];
    customMac: boolean;
  },
): void {
  const tolerate = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENODEV", "EINVAL", "EOPNOTSUPP")) throw error;
    }
  };
  const port = findLink(socket, gone.hostName);
  if (port) tolerate(() => socket.request(shutBridgePort(port.index)));
  if (!gone.customMac) return;
  for (const address of gone.addresses) {
    tolerate(() => socket.request(forgetNeighbour(gone.bridge, addressBytes(address))));
  }
}

/** Makes this interface the container's way out, in the place of another one. Undefined `name`: the container is gone. */
export function setWays(netns: string, name: string, ways: readonly Way[]): void {
  if (ways.length === 0) return;
  using namespace = openNamespace(netns);
  inNetns(namespace, () => {
    using socket = NetlinkSocket.open("route");
    const link = findLink(socket, name);
    if (!link) return;
    for (const way of ways) socket.request(replaceDefaultRoute(wayBytes(way), link.index));
  });
}
