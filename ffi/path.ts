// Everyday file calls by path, for programs too short-lived for node:fs, whose loading costs 1.5 ms.
import { NR } from "./arch/index.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
} from "./constants/fcntl.ts";
import { isErrno } from "./errno.ts";
import type { FdLike } from "./fd.ts";
import { mkdirat, open, read, unlinkat, writeAll } from "./file.ts";
import { cstr, rawSyscall, syscall } from "./libc.ts";
import { type FileStat, namesIn, removeTree, statAt, toByteName } from "./tree.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
let buffer = new Uint8Array(16384);

/** The rest of an open file as text. */
export function readAll(file: FdLike): string {
  return decoder.decode(readBytes(file));
}

/** The rest of an open file. The bytes are overwritten by the next call. */
export function readBytes(file: FdLike): Uint8Array {
  let length = 0;
  for (;;) {
    if (length === buffer.length) {
      const more = new Uint8Array(2 * buffer.length);
      more.set(buffer);
      buffer = more;
    }
    const count = read(file, buffer.subarray(length));
    if (count === 0) return buffer.subarray(0, length);
    length += count;
  }
}

/** A whole file as UTF-8. Throws SyscallError. */
export function readText(path: string): string {
  using file = open(path, O_RDONLY);
  return readAll(file);
}

/** As `readText`; undefined when there is no such file. */
export function readTextIfThere(path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** Writes a file: anew, or at the end of what is there. */
export function writeText(
  path: string,
  text: string | Uint8Array,
  options: { mode?: number; append?: boolean } = {},
): void {
  using file = open(path, O_WRONLY | O_CREAT | (options.append ? O_APPEND : O_TRUNC), options.mode ?? 0o666);
  writeAll(file, typeof text === "string" ? encoder.encode(text) : text);
}

/** Whether something is there; links are followed. */
export function exists(path: string): boolean {
  return rawSyscall(NR.faccessat, AT_FDCWD, cstr(path), 0) === 0;
}

/** What is at a path, links followed. Throws SyscallError when nothing is. */
export function kindOf(path: string): "directory" | "file" {
  try {
    open(path, O_PATH | O_DIRECTORY).close();
    return "directory";
  } catch (error) {
    if (!isErrno(error, "ENOTDIR")) throw error;
  }
  // A component before the last may be the one that is no directory.
  open(path, O_PATH).close();
  return "file";
}

/** The path without links, "." or "..". Throws SyscallError when it is not there. */
export function realPath(path: string): string {
  using file = open(path, O_PATH);
  return linkText(`/proc/self/fd/${file.number}`);
}

/** What a symbolic link holds. */
export function linkText(path: string): string {
  const bytes = new Uint8Array(4096);
  return decoder.decode(
    bytes.subarray(0, syscall("readlinkat", path, AT_FDCWD, cstr(path), bytes, bytes.length)),
  );
}

/** Whether it was made, and not there before. */
export function makeDirectory(path: string, mode: number): boolean {
  try {
    mkdirat(AT_FDCWD, path, mode);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
}

/** Makes a directory and whatever is missing above it. */
export function makeDirectories(path: string, mode: number): boolean {
  try {
    return makeDirectory(path, mode);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    makeDirectories(parentOf(path), mode);
    return makeDirectory(path, mode);
  }
}

/** Removes a file; fine when it is not there. */
export function removeFile(path: string): void {
  try {
    unlinkat(AT_FDCWD, path);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
  }
}

/** Type (S_IFREG …), permissions and size of what is at a path, links followed. Throws SyscallError when nothing is. */
export function statOf(path: string): FileStat {
  using file = open(path, O_PATH);
  return statAt(file, "")!;
}

export function removeDirectory(path: string): void {
  unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/** Removes a tree; fine when it is not there. */
export function removeAll(path: string): void {
  try {
    removeTree(AT_FDCWD, toByteName(path));
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

export function rename(from: string, to: string): void {
  syscall("renameat", to, AT_FDCWD, cstr(from), AT_FDCWD, cstr(to));
}

/** Names in a directory; undefined when it is not there. */
export function namesAt(path: string): string[] | undefined {
  try {
    using directory = open(path, O_RDONLY | O_DIRECTORY);
    return namesIn(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

function withoutEndSlashes(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end--;
  return path.slice(0, end);
}

/** "/a/b" → "/a"; "a" → ".". */
export function parentOf(path: string): string {
  const trimmed = withoutEndSlashes(path);
  const slash = trimmed.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : trimmed.slice(0, slash);
}

/** "/a/b" → "b". */
export function nameOf(path: string): string {
  const trimmed = withoutEndSlashes(path);
  return trimmed.slice(trimmed.lastIndexOf("/") + 1);
}
