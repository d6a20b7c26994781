// Packets of the host's own towards containers may be larger than 64 KiB until they are where they are going ("BIG TCP", kernel
// 6.3 on): half as many again and more bytes a second through a port on 127.0.0.1. A container's own end keeps the usual
// limit: what it sends may leave by a network card, which takes no more than that, and the kernel would cut each larger
// packet into single segments by itself (measured: half the bytes a second).
import { findLink, type LinkInfo, setLink } from "../../../../ffi/netlink/route/link.ts";
import type { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { log } from "../../../observe/log.ts";

/** What every device has that nobody has set otherwise: GSO_LEGACY_MAX_SIZE, linux/netdevice.h. */
const USUAL = 65536;

/** What bridges and their ports let pass: GSO_MAX_SIZE, linux/netdevice.h. */
export const BIG = 8 * 65535;

/**
 * What sockets connected to 127.0.0.1 send in one packet: their route is the loopback device's, wherever the packet is sent on to.
 * Larger ones bring no more, and a receiver waits longer for each.
 */
const FROM_LOOPBACK = 262144;

/** Makes the device (of the socket's namespace) take larger packets. A limit that somebody has set stays; whether it takes them. */
function raise(socket: NetlinkSocket, { index, name, gsoIpv4Max, tsoMax }: LinkInfo, size: number): boolean {
  if (gsoIpv4Max === undefined) return false;
  if (gsoIpv4Max >= size) return true;
  if (gsoIpv4Max !== USUAL || tsoMax < size) return false;
  try {
    socket.request(setLink(index, { gsoIpv4Max: size }));
    return true;
  } catch (error) {
    log("warning", `cannot raise the packet size of ${name}: published ports are slower on this host`, {
      error,
    });
    return false;
  }
}

/** A port of our bridges lets large packets pass. */
export function raisePort(socket: NetlinkSocket, port: LinkInfo): void {
  raise(socket, port, BIG);
}

/**
 * A bridge of ours lets large packets pass, and then the host's clients at 127.0.0.1 send some. A bridge without ports is held to
 * the usual size by the kernel, and left alone; so this is for when it has got one.
 */
export function raiseBridge(socket: NetlinkSocket, bridge: LinkInfo): void {
  if (!raise(socket, bridge, BIG)) return;
  const loopback = findLink(socket, "lo");
  if (loopback) raise(socket, loopback, FROM_LOOPBACK);
}
