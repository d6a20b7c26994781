// A directory tree that files are copied from or to (the context, an image's file system), seen from inside: no symlink in it
// leads out.
import {
  O_DIRECTORY,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { read } from "../../../../ffi/file.ts";
import {
  attributes,
  type ByteName,
  type FileStat,
  namesIn,
  openDirectory,
  openInside,
  openName,
  readLink,
  statAt,
} from "../../../../ffi/tree.ts";
import { DockerfileError } from "./dockerfile/error.ts";

const MAX_LINKS = 40;
const CHUNK = 1 << 18;

/** A path without a slash at either end, and without "." and empty parts. */
export const partsOf = (path: ByteName): ByteName[] =>
  path.split("/").filter((part) => part !== "" && part !== ".");

/** What is at `path` once every symlink is followed; undefined when nothing is. The descriptor is an O_PATH one. */
export function findIn(root: Fd, path: ByteName): { fd: Fd; stat: FileStat } | undefined {
  let fd: Fd | undefined;
  try {
    fd = openInside(root, partsOf(path).join("/"), O_PATH);
  } catch (error) {
    if (isErrno(error, "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
  return fd && { fd, stat: statAt(fd, "")! };
}

/** The attributes of a file that travel with it, symlinks on the way followed. */
export function attributesIn(root: Fd, path: ByteName): Map<ByteName, Uint8Array> {
  const { parts } = landingIn(root, path);
  const name = parts.pop();
  if (name === undefined) return new Map();
  using dir = directoryAt(root, parts);
  return new Map(
    [...attributes(dir, name)].filter(
      ([attribute]) => attribute === "security.capability" || attribute.startsWith("user."),
    ),
  );
}

/** Reads a small file; undefined when there is none. */
export function readIn(root: Fd, path: ByteName): Uint8Array | undefined {
  const file = openInside(root, partsOf(path).join("/"), O_RDONLY | O_NONBLOCK);
  if (!file) return undefined;
  using held = file;
  if (statAt(held, "")?.type !== S_IFREG) return undefined;
  return Buffer.concat([...contentOf(held)].map((chunk) => chunk.slice()));
}

/** The bytes of an open file from where it stands. A chunk is good until the next is asked for. */
export function* contentOf(file: Fd): Generator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK);
  for (let length = read(file, buffer); length > 0; length = read(file, buffer))
    yield buffer.subarray(0, length);
}

export interface Landing {
  /** The path with the symlinks on its way replaced. */
  parts: ByteName[];
  /** How many of them, from the left, are directories that exist. */
  existing: number;
  /** What is at its end, when all of the way exists. */
  end?: FileStat;
}

/** Where a path leads in a tree that may lack it, or a part of it. Throws DockerfileError where the way is barred. */
export function landingIn(root: Fd | undefined, path: ByteName): Landing {
  const pending = path.split("/");
  const parts: ByteName[] = [];
  let existing = 0;
  let end: FileStat | undefined;
  let links = 0;
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      parts.pop();
      existing = Math.min(existing, parts.length);
      end = undefined;
      continue;
    }
    if (end && end.type !== S_IFDIR) throw barred(path);
    const stat = root && existing === parts.length ? lookAt(root, parts, part) : undefined;
    if (stat?.type === S_IFLNK) {
      if (++links > MAX_LINKS) throw new DockerfileError(`${path}: too many levels of symbolic links`);
      const target = linkAt(root!, parts, part);
      if (target.startsWith("/")) {
        parts.length = 0;
        existing = 0;
      }
      pending.unshift(...target.split("/"));
      continue;
    }
    parts.push(part);
    end = stat;
    if (stat?.type === S_IFDIR) existing = parts.length;
  }
  const last = parts.at(-1);
  const reachable = root && existing >= parts.length - 1;
  const there = reachable && (last === undefined ? statAt(root, "") : lookAt(root, parts.slice(0, -1), last));
  return { parts, existing, ...(there ? { end: there } : {}) };
}

const barred = (path: ByteName): DockerfileError =>
  new DockerfileError(`cannot copy to ${path}: a part of the way is not a directory`);

function directoryAt(root: Fd, parts: readonly ByteName[]): Fd {
  return openInside(root, parts.join("/"), O_RDONLY | O_DIRECTORY)!;
}

function lookAt(root: Fd, parts: readonly ByteName[], name: ByteName): FileStat | undefined {
  using dir = directoryAt(root, parts);
  return statAt(dir, name);
}

function linkAt(root: Fd, parts: readonly ByteName[], name: ByteName): ByteName {
  using dir = directoryAt(root, parts);
  return readLink(dir, name);
}

/** Every path below `root`, as "a/b", directories before what they hold. */
export function* pathsIn(root: Fd, prefix: ByteName = ""): Generator<ByteName> {
  for (const name of namesIn(root)) {
    yield prefix + name;
    if (statAt(root, name)?.type !== S_IFDIR) continue;
    using directory = openDirectory(root, name);
    yield* pathsIn(directory, `${prefix}${name}/`);
  }
}

/** Feeds what a copy of `fd` would be made of: names, types, modes, link targets and contents, but no times. */
export function hashTree(hash: Bun.CryptoHasher, dir: Fd, name: ByteName, shown: ByteName): void {
  const stat = statAt(dir, name);
  if (!stat) return;
  const target = stat.type === S_IFLNK ? readLink(dir, name) : "";
  const facts = [
    shown,
    stat.mode,
    stat.type === S_IFREG ? stat.size : 0,
    target,
    stat.rdevMajor,
    stat.rdevMinor,
  ];
  hash.update(`${JSON.stringify(facts)}\n`);
  if (stat.type === S_IFDIR) {
    using directory = openName(dir, name === "" ? "." : name, O_RDONLY | O_DIRECTORY);
    for (const child of namesIn(directory)) hashTree(hash, directory, child, `${shown}/${child}`);
  } else if (stat.type === S_IFREG) {
    using file = name === "" ? reopened(dir) : openName(dir, name, O_RDONLY | O_NONBLOCK);
    for (const chunk of contentOf(file)) hash.update(chunk);
  }
}

/** A descriptor that can be read, of what an O_PATH one names. */
export function reopened(fd: Fd): Fd {
  return openName(-100, `/proc/self/fd/${fd.number}`, O_RDONLY | O_NONBLOCK);
}
