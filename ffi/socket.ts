// Unix stream sockets below what Bun offers: a listener made here to be inherited by a child, and descriptors
// received over a connection. man 7 unix, man 3 cmsg.
import { ptr } from "bun:ffi";
import { NR } from "./arch/index.ts";
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_NOSIGNAL,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./constants/unix.ts";
import { ERRNO, SyscallError } from "./errno.ts";
import { Fd, type FdLike, fdNumber } from "./fd.ts";
import { rawSyscall, syscall } from "./libc.ts";
import { field, layout, pack } from "./struct.ts";

const SUN_PATH = 108;
/** How many bytes of path fit into a unix socket's address, with the NUL that ends it. */
export const MAX_SOCKET_PATH = SUN_PATH - 1;

function address(path: string): Uint8Array {
  const name = new TextEncoder().encode(path);
  if (name.length >= SUN_PATH)
    throw new RangeError(`unix socket path of ${name.length} bytes, at most ${SUN_PATH - 1} fit: ${path}`);
  const bytes = new Uint8Array(2 + name.length + 1);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, 2);
  return bytes;
}

/** A listening unix socket at `path` (which must not exist), close-on-exec and non-blocking. */
export function listenUnix(path: string, backlog = 128): Fd {
  const where = address(path);
  const fd = new Fd(syscall("socket", path, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), path);
  try {
    syscall("bind", path, fd.number, where, where.length);
    syscall("listen", path, fd.number, backlog);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Whether somebody listens at `path`. */
export function answersUnix(path: string): boolean {
  const where = address(path);
  using fd = new Fd(syscall("socket", path, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), path);
  const result = rawSyscall(NR.connect, fd.number, where, where.length);
  return result === 0 || result === -ERRNO["EAGAIN"]!;
}

/** accept4(2); undefined when no connection waits. */
export function accept(listener: FdLike): Fd | undefined {
  const result = rawSyscall(NR.accept4, fdNumber(listener), 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (result === -ERRNO["EAGAIN"]!) return undefined;
  if (result < 0) throw new SyscallError("accept4", -result);
  return new Fd(result, "accepted connection");
}

const MsgHdr = layout({
  c: "struct msghdr",
  header: "sys/socket.h",
  size: 56,
  fields: {
    msg_iov: [16, "u64"],
    msg_iovlen: [24, "u64"],
    msg_control: [32, "u64"],
    msg_controllen: [40, "u64"],
    msg_flags: [48, "i32"],
  },
});
const IoVec = layout({
  c: "struct iovec",
  header: "sys/uio.h",
  size: 16,
  fields: { iov_base: [0, "u64"], iov_len: [8, "u64"] },
});
const CMsgHdr = layout({
  c: "struct cmsghdr",
  header: "sys/socket.h",
  size: 16,
  fields: { cmsg_len: [0, "u64"], cmsg_level: [8, "i32"], cmsg_type: [12, "i32"] },
});

/** Sends a message that carries one descriptor. man 2 sendmsg, man 3 cmsg */
export function sendFd(connection: FdLike, fd: FdLike, text: string): void {
  const data = new TextEncoder().encode(text);
  const iov = pack(IoVec, { iov_base: ptr(data), iov_len: data.length });
  const control = new Uint8Array(CMsgHdr.size + 8);
  control.set(pack(CMsgHdr, { cmsg_len: CMsgHdr.size + 4, cmsg_level: SOL_SOCKET, cmsg_type: SCM_RIGHTS }));
  new DataView(control.buffer).setInt32(CMsgHdr.size, fdNumber(fd), true);
  const header = pack(MsgHdr, {
    msg_iov: ptr(iov),
    msg_iovlen: 1,
    msg_control: ptr(control),
    msg_controllen: control.length,
  });
  syscall("sendmsg", undefined, fdNumber(connection), header, MSG_NOSIGNAL);
}

/** Receives one message with its descriptors (at most 16). undefined when nothing waits. man 2 recvmsg. */
export function receiveFds(connection: FdLike): { data: Uint8Array; fds: Fd[] } | undefined {
  const data = new Uint8Array(4096);
  const control = new Uint8Array(CMsgHdr.size + 16 * 4);
  const iov = pack(IoVec, { iov_base: ptr(data), iov_len: data.length });
  const header = pack(MsgHdr, {
    msg_iov: ptr(iov),
    msg_iovlen: 1,
    msg_control: ptr(control),
    msg_controllen: control.length,
  });
  const result = rawSyscall(NR.recvmsg, fdNumber(connection), header, MSG_CMSG_CLOEXEC);
  if (result === -ERRNO["EAGAIN"]!) return undefined;
  if (result < 0) throw new SyscallError("recvmsg", -result);
  const fds: Fd[] = [];
  const length = field(MsgHdr, header, "msg_controllen");
  if (length >= CMsgHdr.size) {
    const size = field(CMsgHdr, control, "cmsg_len");
    if (
      field(CMsgHdr, control, "cmsg_level") === SOL_SOCKET &&
      field(CMsgHdr, control, "cmsg_type") === SCM_RIGHTS
    ) {
      const view = new DataView(control.buffer);
      for (let at = CMsgHdr.size; at + 4 <= size; at += 4)
        fds.push(new Fd(view.getInt32(at, true), "received"));
    }
  }
  return { data: data.subarray(0, result), fds };
}
