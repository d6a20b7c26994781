// Files by descriptor: what node:fs cannot do (openat2, mknodat, syncfs, xattrs by fd …). node:fs serves the rest.
import {
  AT_FDCWD,
  F_DUPFD_CLOEXEC,
  O_CLOEXEC,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "./constants/fcntl.ts";
import { isErrno } from "./errno.ts";
import { Fd, type FdLike, fdNumber } from "./fd.ts";
import { cstr, syscall } from "./libc.ts";
import { layout, pack } from "./struct.ts";

export const OpenHow = layout({
  c: "struct open_how",
  header: "linux/openat2.h",
  size: 24,
  fields: { flags: [0, "u64"], mode: [8, "u64"], resolve: [16, "u64"] },
});

/** openat(2), O_CLOEXEC always set. */
export function openat(dir: FdLike, path: string, flags: number, mode = 0): Fd {
  return new Fd(syscall("openat", path, fdNumber(dir), cstr(path), flags | O_CLOEXEC, mode), path);
}

/** open(2) from the current directory, O_CLOEXEC always set. */
export function open(path: string, flags: number, mode = 0): Fd {
  return openat(AT_FDCWD, path, flags, mode);
}

/**
 * How often openat2 is tried anew: with RESOLVE_IN_ROOT a rename or mount anywhere on the machine while ".." is resolved makes
 * it EAGAIN. man 2 openat2
 */
const ATTEMPTS = 1000;

/** openat2(2), O_CLOEXEC always set: `resolve` takes RESOLVE_* bits. */
export function openat2(dir: FdLike, path: string, flags: number, resolve: number, mode = 0): Fd {
  const how = pack(OpenHow, { flags: flags | O_CLOEXEC, mode, resolve });
  const name = cstr(path);
  for (let left = ATTEMPTS; ; left--) {
    try {
      return new Fd(syscall("openat2", path, fdNumber(dir), name, how, OpenHow.size), path);
    } catch (error) {
      if (left === 0 || !isErrno(error, "EAGAIN")) throw error;
    }
  }
}

/** Opens a path as a process chrooted to `root` would see it: symlinks and ".." stay inside, magic links are refused. */
export function openInRoot(root: FdLike, path: string, flags: number, mode = 0): Fd {
  return openat2(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, mode);
}

/** A duplicate with O_CLOEXEC, at the lowest number not below `atLeast`. */
export function duplicate(fd: FdLike, atLeast = 3): Fd {
  return new Fd(syscall("fcntl", undefined, fdNumber(fd), F_DUPFD_CLOEXEC, atLeast));
}

/** read(2) into `into`; returns the byte count, 0 at end of file. */
export function read(fd: FdLike, into: Uint8Array): number {
  return syscall("read", undefined, fdNumber(fd), into, into.byteLength);
}

/** pread(2): as `read`, at an offset and without moving the descriptor's own. */
export function pread(fd: FdLike, into: Uint8Array, offset: number): number {
  return syscall("pread64", undefined, fdNumber(fd), into, into.byteLength, offset);
}

/** write(2); returns the bytes taken, which may be fewer than given. */
export function write(fd: FdLike, bytes: Uint8Array): number {
  return syscall("write", undefined, fdNumber(fd), bytes, bytes.byteLength);
}

/** write(2) until all of `bytes` is written. */
export function writeAll(fd: FdLike, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += write(fd, at === 0 ? bytes : bytes.subarray(at));
}

/** pwrite(2) until all is written: at an offset and without moving the descriptor's own. */
export function writeAllAt(fd: FdLike, bytes: Uint8Array, offset: number): void {
  for (let at = 0; at < bytes.length; ) {
    const part = bytes.subarray(at);
    at += syscall("pwrite64", undefined, fdNumber(fd), part, part.byteLength, offset + at);
  }
}

export function mkdirat(dir: FdLike, path: string, mode: number): void {
  syscall("mkdirat", path, fdNumber(dir), cstr(path), mode);
}

/** `dev` as makedev(3) packs it for the kernel: see `makedev`. */
export function mknodat(dir: FdLike, path: string, mode: number, dev = 0): void {
  syscall("mknodat", path, fdNumber(dir), cstr(path), mode, dev);
}

export function symlinkat(target: string, dir: FdLike, path: string): void {
  syscall("symlinkat", path, cstr(target), fdNumber(dir), cstr(path));
}

export function linkat(fromDir: FdLike, from: string, toDir: FdLike, to: string, flags = 0): void {
  syscall("linkat", to, fdNumber(fromDir), cstr(from), fdNumber(toDir), cstr(to), flags);
}

export function unlinkat(dir: FdLike, path: string, flags = 0): void {
  syscall("unlinkat", path, fdNumber(dir), cstr(path), flags);
}

export function fchownat(dir: FdLike, path: string, uid: number, gid: number, flags: number): void {
  syscall("fchownat", path, fdNumber(dir), cstr(path), uid, gid, flags);
}

export function fchmodat(dir: FdLike, path: string, mode: number): void {
  syscall("fchmodat", path, fdNumber(dir), cstr(path), mode);
}

/** Makes everything of the file system that holds `fd` durable. man 2 syncfs. */
export function syncfs(fd: FdLike): void {
  syscall("syncfs", undefined, fdNumber(fd));
}

export function fsync(fd: FdLike): void {
  syscall("fsync", undefined, fdNumber(fd));
}

/** Device number in the kernel's 64-bit encoding, as gnu_dev_makedev does. man 3 makedev. */
export function makedev(major: number, minor: number): number {
  return ((major & 0xfff) << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12);
}
