// File trees by descriptor and by *byte name*: a file's name is bytes without meaning to the kernel, and archives carry
// names that are no UTF-8. A byte name is a string with one character (0–255) a byte; nothing here decodes it.

import { NR, O_DIRECTORY, O_NOFOLLOW, type SyscallName } from "./arch/index.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_RDONLY,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  S_IFDIR,
  S_IFMT,
} from "./constants/fcntl.ts";
import { STATX_BASIC_STATS } from "./constants/stat.ts";
import { ERRNO, SyscallError } from "./errno.ts";
import { Fd, type FdLike, fdNumber } from "./fd.ts";
import { rawSyscall, syscall } from "./libc.ts";
import { fieldIn, layout, pack } from "./struct.ts";

/** A name or path with one character a byte. */
export type ByteName = string;

/** The byte name of ordinary text (UTF-8). */
export const toByteName = (text: string): ByteName => Buffer.from(text, "utf8").toString("latin1");

/** A byte name for people: decoded as UTF-8, with � where it is none. */
export const showName = (name: ByteName): string => Buffer.from(name, "latin1").toString("utf8");

function bytes(name: ByteName): Uint8Array {
  if (name.includes("\0")) throw new TypeError(`embedded NUL byte in ${JSON.stringify(showName(name))}`);
  return Buffer.from(`${name}\0`, "latin1");
}

const Statx = layout({
  c: "struct statx",
  header: "linux/stat.h",
  size: 256,
  fields: {
    stx_nlink: [16, "u32"],
    stx_uid: [20, "u32"],
    stx_gid: [24, "u32"],
    stx_mode: [28, "u16"],
    stx_ino: [32, "u64"],
    stx_size: [40, "u64"],
    stx_blocks: [48, "u64"],
    "stx_mtime.tv_sec": [112, "i64"],
    "stx_mtime.tv_nsec": [120, "u32"],
    stx_rdev_major: [128, "u32"],
    stx_rdev_minor: [132, "u32"],
    stx_dev_major: [136, "u32"],
    stx_dev_minor: [140, "u32"],
  },
});

const Timespec = layout({
  c: "struct timespec",
  header: "time.h",
  size: 16,
  fields: { tv_sec: [0, "i64"], tv_nsec: [8, "i64"] },
});

const OpenHow = layout({
  c: "struct open_how",
  header: "linux/openat2.h",
  size: 24,
  fields: { flags: [0, "u64"], mode: [8, "u64"], resolve: [16, "u64"] },
});

/** A moment as the kernel stores it. */
export interface FileTime {
  seconds: number;
  nanoseconds: number;
}

export interface FileStat {
  /** Type and permission bits. */
  mode: number;
  /** The type alone: S_IFREG … */
  type: number;
  uid: number;
  gid: number;
  size: number;
  links: number;
  ino: number;
  /** "major:minor" of the file system. */
  dev: string;
  rdevMajor: number;
  rdevMinor: number;
  mtime: FileTime;
}

/** statx(2) without following symlinks; "" means the descriptor itself. Undefined when there is no such file. */
export function statAt(dir: FdLike, name: ByteName): FileStat | undefined {
  const into = new Uint8Array(Statx.size);
  const flags = AT_SYMLINK_NOFOLLOW | (name === "" ? AT_EMPTY_PATH : 0);
  const result = rawSyscall(NR.statx, fdNumber(dir), bytes(name), flags, STATX_BASIC_STATS, into);
  if (result === -ERRNO.ENOENT!) return undefined;
  if (result < 0) throw new SyscallError("statx", -result, showName(name));
  const view = new DataView(into.buffer);
  const mode = fieldIn(Statx, view, "stx_mode");
  return {
    mode,
    type: mode & S_IFMT,
    uid: fieldIn(Statx, view, "stx_uid"),
    gid: fieldIn(Statx, view, "stx_gid"),
    size: fieldIn(Statx, view, "stx_size"),
    links: fieldIn(Statx, view, "stx_nlink"),
    ino: fieldIn(Statx, view, "stx_ino"),
    dev: `${fieldIn(Statx, view, "stx_dev_major")}:${fieldIn(Statx, view, "stx_dev_minor")}`,
    rdevMajor: fieldIn(Statx, view, "stx_rdev_major"),
    rdevMinor: fieldIn(Statx, view, "stx_rdev_minor"),
    mtime: {
      seconds: fieldIn(Statx, view, "stx_mtime.tv_sec"),
      nanoseconds: fieldIn(Statx, view, "stx_mtime.tv_nsec"),
    },
  };
}

/** openat(2), O_CLOEXEC always set. */
export function openName(dir: FdLike, name: ByteName, flags: number, mode = 0): Fd {
  const shown = showName(name);
  return new Fd(syscall("openat", shown, fdNumber(dir), bytes(name), flags | O_CLOEXEC, mode), shown);
}

/** openat2(2) as seen from inside `root`: symlinks and ".." never lead out. Undefined when the path is not there. */
export function openInside(root: FdLike, path: ByteName, flags: number): Fd | undefined {
  const how = pack(OpenHow, {
    flags: flags | O_CLOEXEC,
    resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
  });
  for (;;) {
    const fd = rawSyscall(NR.openat2, fdNumber(root), bytes(path === "" ? "." : path), how, OpenHow.size);
    if (fd >= 0) return new Fd(fd, showName(path));
    if (fd === -ERRNO.ENOENT!) return undefined;
    // EAGAIN: a rename elsewhere raced with the resolution of ".."; man 2 openat2 says to try again.
    if (fd !== -ERRNO.EINTR! && fd !== -ERRNO.EAGAIN!) throw new SyscallError("openat2", -fd, showName(path));
  }
}

/** A call that makes `name` in `dir`; false when something is there already. */
function make(name: SyscallName, shown: ByteName, ...args: [number, ...(number | Uint8Array)[]]): boolean {
  for (;;) {
    const result = rawSyscall(NR[name], ...args);
    if (result >= 0) return true;
    if (result === -ERRNO.EEXIST!) return false;
    if (result !== -ERRNO.EINTR!) throw new SyscallError(name, -result, showName(shown));
  }
}

/** Creates a new regular file for writing; undefined when the name is taken. */
export function createFile(dir: FdLike, name: ByteName, flags: number, mode: number): Fd | undefined {
  const fd = rawSyscall(NR.openat, fdNumber(dir), bytes(name), flags | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd >= 0) return new Fd(fd, showName(name));
  if (fd === -ERRNO.EEXIST!) return undefined;
  throw new SyscallError("openat", -fd, showName(name));
}

export const makeDirectory = (dir: FdLike, name: ByteName, mode: number): boolean =>
  make("mkdirat", name, fdNumber(dir), bytes(name), mode);

export const makeNode = (dir: FdLike, name: ByteName, mode: number, dev: number): boolean =>
  make("mknodat", name, fdNumber(dir), bytes(name), mode, dev);

export function makeSymlink(target: ByteName, dir: FdLike, name: ByteName): boolean {
  for (;;) {
    const result = rawSyscall(NR.symlinkat, bytes(target), fdNumber(dir), bytes(name));
    if (result >= 0) return true;
    if (result === -ERRNO.EEXIST!) return false;
    if (result !== -ERRNO.EINTR!) throw new SyscallError("symlinkat", -result, showName(name));
  }
}

export const makeLink = (fromDir: FdLike, from: ByteName, dir: FdLike, name: ByteName): boolean =>
  make("linkat", name, fdNumber(fromDir), bytes(from), fdNumber(dir), bytes(name), 0);

export function readLink(dir: FdLike, name: ByteName): ByteName {
  const into = new Uint8Array(4096);
  const length = syscall("readlinkat", showName(name), fdNumber(dir), bytes(name), into, into.length);
  return Buffer.from(into.buffer, 0, length).toString("latin1");
}

/** lchown. */
export function changeOwner(dir: FdLike, name: ByteName, uid: number, gid: number): void {
  const flags = AT_SYMLINK_NOFOLLOW | (name === "" ? AT_EMPTY_PATH : 0);
  syscall("fchownat", showName(name), fdNumber(dir), bytes(name), uid, gid, flags);
}

/** chmod of `name`, which must be no symlink (the kernel's call follows it). */
export function changeMode(dir: FdLike, name: ByteName, mode: number): void {
  syscall("fchmodat", showName(name), fdNumber(dir), bytes(name), mode);
}

/** fchmod(2); not on an O_PATH descriptor. */
export function changeModeOf(fd: Fd, mode: number): void {
  syscall("fchmod", fd.path, fd.number, mode);
}

/** Sets access and modification time, of the descriptor itself when `name` is absent; symlinks are not followed. */
export function setTimes(
  dir: FdLike,
  name: ByteName | undefined,
  access: FileTime,
  modified: FileTime,
): void {
  const times = new Uint8Array(2 * Timespec.size);
  times.set(pack(Timespec, { tv_sec: access.seconds, tv_nsec: access.nanoseconds }));
  times.set(pack(Timespec, { tv_sec: modified.seconds, tv_nsec: modified.nanoseconds }), Timespec.size);
  if (name === undefined) syscall("utimensat", undefined, fdNumber(dir), null, times, 0);
  else syscall("utimensat", showName(name), fdNumber(dir), bytes(name), times, AT_SYMLINK_NOFOLLOW);
}

// There is no *xattrat call on the kernels we support; the path through /proc names the directory by descriptor.
const through = (dir: FdLike, name: ByteName): ByteName => {
  const number = fdNumber(dir);
  if (number === AT_FDCWD) return name === "" ? "." : name;
  // A trailing "/." acts on the directory behind the magic link, which l*xattr would not follow.
  return `/proc/self/fd/${number}/${name === "" ? "." : name}`;
};

/** lsetxattr(2) on `name` in `dir` ("" is the directory itself). */
export function setAttribute(dir: FdLike, name: ByteName, attribute: ByteName, value: Uint8Array): void {
  // The address of an empty buffer is no address at all: pass one byte with length 0.
  const memory = value.length > 0 ? value : new Uint8Array(1);
  const path = through(dir, name);
  syscall(
    "lsetxattr",
    `${showName(name)} ${showName(attribute)}`,
    bytes(path),
    bytes(attribute),
    memory,
    value.length,
    0,
  );
}

let attributeSpace: { list: Uint8Array; value: Uint8Array } | undefined;

/** All extended attributes of `name` in `dir`; none where the file system has no such thing. */
export function attributes(dir: FdLike, name: ByteName): Map<ByteName, Uint8Array> {
  const path = bytes(through(dir, name));
  const found = new Map<ByteName, Uint8Array>();
  // Asked of every file of a tree: the room is made once.
  attributeSpace ??= { list: new Uint8Array(65536), value: new Uint8Array(65536) };
  const { list, value } = attributeSpace;
  const length = rawSyscall(NR.llistxattr, path, list, list.length);
  if (length <= 0) {
    if (length === 0 || length === -ERRNO.EOPNOTSUPP!) return found;
    throw new SyscallError("llistxattr", -length, showName(name));
  }
  for (const attribute of Buffer.from(list.buffer, 0, length).toString("latin1").split("\0")) {
    if (attribute === "") continue;
    const size = rawSyscall(NR.lgetxattr, path, bytes(attribute), value, value.length);
    if (size >= 0) found.set(attribute, value.slice(0, size));
  }
  return found;
}

/** The names in a directory (without "." and ".."), in the order of their bytes. */
export function namesIn(directory: Fd): ByteName[] {
  const names: ByteName[] = [];
  const buffer = Buffer.allocUnsafe(65536);
  syscall("lseek", directory.path, directory.number, 0, 0);
  for (;;) {
    const length = syscall("getdents64", directory.path, directory.number, buffer, buffer.length);
    if (length === 0) return names.sort();
    // struct linux_dirent64: ino u64, off s64, reclen u16, type u8, name.
    for (let at = 0; at < length; at += buffer.readUInt16LE(at + 16)) {
      const name = buffer.toString("latin1", at + 19, buffer.indexOf(0, at + 19));
      if (name !== "." && name !== "..") names.push(name);
    }
  }
}

/** Opens a directory for reading without following a symlink in its place. */
export const openDirectory = (dir: FdLike, name: ByteName): Fd =>
  openName(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

/** Removes `name` with everything below it; nothing is followed out of `dir`. */
export function removeTree(dir: FdLike, name: ByteName): void {
  if (statAt(dir, name)?.type !== S_IFDIR) {
    syscall("unlinkat", showName(name), fdNumber(dir), bytes(name), 0);
    return;
  }
  {
    using directory = openDirectory(dir, name);
    for (const child of namesIn(directory)) removeTree(directory, child);
  }
  syscall("unlinkat", showName(name), fdNumber(dir), bytes(name), AT_REMOVEDIR);
}
