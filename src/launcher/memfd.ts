// Programs in memory: what is executed can no longer be changed.
import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
} from "../../ffi/constants/fcntl.ts";
import { MFD_ALLOW_SEALING, MFD_CLOEXEC } from "../../ffi/constants/memfd.ts";
import { Fd } from "../../ffi/fd.ts";
import { writeAll } from "../../ffi/file.ts";
import { cstr, syscall } from "../../ffi/libc.ts";

/** An empty, close-on-exec memfd. */
export function memfd(name: string): Fd {
  return new Fd(syscall("memfd_create", name, cstr(name), MFD_CLOEXEC), name);
}

/** A sealed, close-on-exec memfd that holds the bytes. */
export function sealedMemfd(name: string, bytes: Uint8Array): Fd {
  const fd = new Fd(syscall("memfd_create", name, cstr(name), MFD_CLOEXEC | MFD_ALLOW_SEALING), name);
  writeAll(fd, bytes);
  syscall("fcntl", name, fd.number, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  return fd;
}
