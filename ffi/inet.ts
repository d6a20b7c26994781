// IPv4 and IPv6 sockets that only hold a port: bound, never listening, so that no other program gets it and nobody connects to it.

import { IPPROTO_IPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPV6_V6ONLY } from "./constants/inet.ts";
import {
  AF_INET,
  AF_INET6,
  SO_RCVBUF,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./constants/netlink.ts";
import { SHUT_RD } from "./constants/unix.ts";
import { isErrno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";

export type Transport = "tcp" | "udp" | "sctp";

const KINDS: Readonly<Record<Transport, { type: number; protocol: number }>> = {
  tcp: { type: SOCK_STREAM, protocol: IPPROTO_TCP },
  udp: { type: SOCK_DGRAM, protocol: IPPROTO_UDP },
  sctp: { type: SOCK_STREAM, protocol: IPPROTO_SCTP },
};

/** struct sockaddr_in or sockaddr_in6 (by the address's length), port and address in network order. man 7 ip, man 7 ipv6. */
function sockaddr(address: Uint8Array, port: number): Uint8Array {
  const v6 = address.length === 16;
  const bytes = new Uint8Array(v6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, v6 ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port, false);
  bytes.set(address, v6 ? 8 : 4);
  return bytes;
}

/** SO_REUSEADDR: whether ports whose last connections are in TIME_WAIT may be had, and shared with others that set it too. */
function setReuse(fd: Fd, on: boolean): void {
  syscall("setsockopt", fd.path, fd.number, SOL_SOCKET, SO_REUSEADDR, new Int32Array([Number(on)]), 4);
}

/**
 * Takes a port away from every other program for as long as the descriptor is open. SO_REUSEADDR ends up off: with it another
 * program that sets it too could still listen there. Throws SyscallError: EADDRINUSE, EADDRNOTAVAIL, EPROTONOSUPPORT …
 */
export function holdPort(transport: Transport, address: Uint8Array, port: number): Fd {
  const v6 = address.length === 16;
  const what = `${v6 ? "IPv6 " : ""}${address.join(".")}:${port}/${transport}`;
  const { type, protocol } = KINDS[transport];
  const family = v6 ? AF_INET6 : AF_INET;
  const fd = new Fd(syscall("socket", what, family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), what);
  const to = sockaddr(address, port);
  const bind = () => syscall("bind", what, fd.number, to, to.length);
  try {
    // Datagrams are only queued here while no rule translates them; keep what that can cost small.
    if (transport === "udp") {
      syscall("setsockopt", what, fd.number, SOL_SOCKET, SO_RCVBUF, new Int32Array([0]), 4);
    }
    // The other family's port is held, or left, by itself.
    if (v6) syscall("setsockopt", what, fd.number, IPPROTO_IPV6, IPV6_V6ONLY, new Int32Array([1]), 4);
    try {
      bind();
    } catch (error) {
      if (transport !== "tcp" || !isErrno(error, "EADDRINUSE")) throw error;
      // Connections of a server that has ended keep its port for a minute (TIME_WAIT), and whoever sets SO_REUSEADDR may have
      // it nonetheless. Listening for a moment tells whether somebody else listens, and makes the port nobody else's.
      setReuse(fd, true);
      bind();
      syscall("listen", what, fd.number, 0);
      syscall("shutdown", what, fd.number, SHUT_RD);
      setReuse(fd, false);
    }
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}
