// Faults that bring one page, and not the fifteen around it. A page fault on a file maps whatever of the 64 KiB around it the page
// cache has (mm/memory.c, do_fault_around): a program whose paths lie scattered over 80 MB of code holds 25 MB of it for the 6 MB
// that it runs. Nothing turns that off for one mapping but its being watched by a userfaultfd, where a fault must mean one page
// (uffd_disable_fault_around). So the mapping is put under one that protects nothing and that nobody reads.

import { NR } from "./arch/index.ts";
import { O_CLOEXEC } from "./constants/fcntl.ts";
import {
  UFFD_API,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_USER_MODE_ONLY,
  UFFDIO_API,
  UFFDIO_REGISTER,
  UFFDIO_REGISTER_MODE_WP,
} from "./constants/userfaultfd.ts";
import { rawSyscall } from "./libc.ts";

/** A part of the address space, in bytes and whole pages. */
export interface Mapping {
  start: number;
  length: number;
}

/**
 * From here on a fault in `mappings` brings its own page only, as long as the process lives. Returns whether the kernel does that: it
 * asks for Linux 6.7 (asynchronous write protection, of any mapping), x86-64 until 6.18, and leave to use userfaultfd. Without
 * it nothing changes. man 2 ioctl_userfaultfd.
 */
export function faultSinglePages(mappings: readonly Mapping[]): boolean {
  const watch = rawSyscall(NR.userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
  if (watch < 0) return false;
  // struct uffdio_api: api, features, ioctls. What is protected by it would be opened again without a word to anybody.
  const api = new BigUint64Array([BigInt(UFFD_API), BigInt(UFFD_FEATURE_WP_ASYNC), 0n]);
  const does =
    rawSyscall(NR.ioctl, watch, UFFDIO_API, api) === 0 &&
    mappings.every(({ start, length }) => {
      // struct uffdio_register: range, mode, ioctls
      const range = [BigInt(start), BigInt(length), BigInt(UFFDIO_REGISTER_MODE_WP), 0n];
      return rawSyscall(NR.ioctl, watch, UFFDIO_REGISTER, new BigUint64Array(range)) === 0;
    });
  // Closing it would end what it does: it stays open as long as the process.
  if (!does) rawSyscall(NR.close, watch);
  return does;
}
