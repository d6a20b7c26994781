// One datagram to a unix socket: what sd_notify(3) is made of, and nothing in Bun sends. man 7 unix.
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } from "./constants/unix.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";

/** Sends `text` to the socket at `path`; a leading "@" means the abstract namespace. Throws SyscallError. */
export function sendUnixDatagram(path: string, text: string): void {
  const name = new TextEncoder().encode(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  const address = new Uint8Array(2 + name.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  const data = new TextEncoder().encode(text);
  using fd = new Fd(syscall("socket", path, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), path);
  syscall("sendto", path, fd.number, data, data.length, 0, address, address.length);
}
