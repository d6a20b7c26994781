// Datagrams to unix sockets: what sd_notify(3), syslog(3) and journald's clients are made of, and nothing in Bun sends. man 7 unix.
import { NR } from "./arch/index.ts";
import { O_DIRECTORY, O_PATH } from "./constants/fcntl.ts";
import { MSG_DONTWAIT } from "./constants/netlink.ts";
import { AF_UNIX, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "./constants/unix.ts";
import { ERRNO, SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { open } from "./file.ts";
import { rawSyscall, syscall } from "./libc.ts";

function addressOf(path: string): Uint8Array {
  const name = new TextEncoder().encode(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  const address = new Uint8Array(2 + name.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  return address;
}

/** A socket that takes what is sent to `name` in a directory, however long its path; non-blocking. Throws SyscallError. */
export function bindUnixDatagram(directory: string, name: string): Fd {
  const path = `${directory}/${name}`;
  using place = open(directory, O_PATH | O_DIRECTORY);
  const address = addressOf(`/proc/self/fd/${place.number}/${name}`);
  const type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  return made(path, type, (fd) => syscall("bind", path, fd.number, address, address.length));
}

/** A socket that sends to the one at `path`; a leading "@" means the abstract namespace. Throws SyscallError. */
export function connectUnixDatagram(path: string): Fd {
  const address = addressOf(path);
  return made(path, SOCK_DGRAM | SOCK_CLOEXEC, (fd) =>
    syscall("connect", path, fd.number, address, address.length),
  );
}

function made(path: string, type: number, prepare: (fd: Fd) => void): Fd {
  const fd = new Fd(syscall("socket", path, AF_UNIX, type, 0), path);
  try {
    prepare(fd);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Sends `text` to the socket at `path`; a leading "@" means the abstract namespace. Throws SyscallError. */
export function sendUnixDatagram(path: string, text: string): void {
  const address = addressOf(path);
  const data = new TextEncoder().encode(text);
  using fd = new Fd(syscall("socket", path, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), path);
  syscall("sendto", path, fd.number, data, data.length, 0, address, address.length);
}

/** As sendUnixDatagram, without waiting: false when the receiver's queue is full. Throws SyscallError. */
export function trySendUnixDatagram(path: string, message: string | Uint8Array): boolean {
  const address = addressOf(path);
  const data = typeof message === "string" ? new TextEncoder().encode(message) : message;
  using fd = new Fd(syscall("socket", path, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), path);
  const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  const sent = rawSyscall(NR.sendto, fd.number, data, data.length, flags, address, address.length);
  if (sent === -ERRNO["EAGAIN"]!) return false;
  if (sent < 0) throw new SyscallError("sendto", -sent, path);
  return true;
}
