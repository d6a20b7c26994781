// --console-socket: the caller listens there for the console's master.
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../../../../ffi/constants/unix.ts";
import { errnoText, SyscallError } from "../../../../ffi/errno.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { syscall } from "../../../../ffi/libc.ts";
import { RuntimeError } from "../errors.ts";

/** A connection to the socket that takes the console's master. */
export const connectConsole = (path: string) => connectSocket(path, "console");

/** A connection to the caller's socket at `path`; `what`: which of them, for the error. man 7 unix */
export function connectSocket(path: string, what: string): Fd {
  const name = new TextEncoder().encode(path);
  if (name.length > 107) throw new Error(`${what} socket path is longer than 107 bytes: ${path}`);
  const address = new Uint8Array(2 + name.length + 1);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  const fd = new Fd(syscall("socket", path, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), path);
  try {
    syscall("connect", path, fd.number, address, address.length);
  } catch (error) {
    fd.close();
    if (!(error instanceof SyscallError)) throw error;
    throw new RuntimeError(`dial unix ${path}: connect: ${errnoText(error.errno)}`);
  }
  return fd;
}
