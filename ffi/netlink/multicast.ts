// Being told of changes: a netlink socket that is a member of one of the kernel's multicast groups. man 7 netlink.
import {
  AF_NETLINK,
  NETLINK_NETFILTER,
  NETLINK_NO_ENOBUFS,
  NETLINK_ROUTE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_NETLINK,
} from "../constants/netlink.ts";
import { Fd } from "../fd.ts";
import { syscall } from "../libc.ts";
import { pack } from "../struct.ts";
import { SockaddrNl } from "./socket.ts";

/**
 * Calls `heard` for whatever comes from the group (what it was is not looked at), and `ended` when nothing will come any
 * more. Returns what closes it. Throws SyscallError.
 */
export function openMulticast(
  protocol: "route" | "netfilter",
  group: number,
  heard: () => void,
  ended: (error: unknown) => void,
): () => void {
  const what = `AF_NETLINK ${protocol} group ${group}`;
  const number = protocol === "route" ? NETLINK_ROUTE : NETLINK_NETFILTER;
  const fd = new Fd(
    syscall("socket", what, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, number),
    what,
  );
  try {
    const address = pack(SockaddrNl, { nl_family: AF_NETLINK, nl_groups: 1 << (group - 1) });
    // When too much comes at once the rest is lost, and that is all right: something changed.
    syscall("setsockopt", what, fd.number, SOL_NETLINK, NETLINK_NO_ENOBUFS, new Int32Array([1]), 4);
    syscall("bind", what, fd.number, address, address.length);
  } catch (error) {
    fd.close();
    throw error;
  }
  const reader = Bun.file(fd.number).stream().getReader();
  let closed = false;
  const read = async () => {
    for (;;) {
      try {
        const { done } = await reader.read();
        if (closed) return;
        if (done) return ended(new Error(`${what} ended`));
      } catch (error) {
        return closed ? undefined : ended(error);
      }
      heard();
    }
  };
  void read();
  return () => {
    closed = true;
    reader.cancel().catch(() => {});
    fd.close();
  };
}
