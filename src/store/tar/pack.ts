// Packs a directory tree into a tar stream: `docker export`, `docker cp` out of a container.
import { readSync } from "node:fs";
import { join } from "node:path";
import { O_NOFOLLOW } from "../../../ffi/arch/index.ts";
import {
  O_NONBLOCK,
  O_RDONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
} from "../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../ffi/errno.ts";
import type { Fd, FdLike } from "../../../ffi/fd.ts";
import {
  attributes,
  type ByteName,
  type FileStat,
  namesIn,
  openDirectory,
  openName,
  readLink,
  statAt,
  toByteName,
} from "../../../ffi/tree.ts";
import { END, encodeHeader, paddingOf } from "./encode.ts";
import type { EntryType, TarEntry } from "./entry.ts";
import { isLayerAttribute } from "./metadata.ts";

/** Types of file that an archive can hold: all but sockets. */
export const TYPES: ReadonlyMap<number, EntryType> = new Map<number, EntryType>([
  [S_IFREG, "file"],
  [S_IFDIR, "directory"],
  [S_IFLNK, "symlink"],
  [S_IFCHR, "char"],
  [S_IFBLK, "block"],
  [S_IFIFO, "fifo"],
]);

const CHUNK = 1 << 20;

export interface PackOptions {
  /** In front of every name, e.g. "etc/" for a part of a tree; the root itself is left out without it. */
  prefix?: string;
  /** File systems ("major:minor") whose directories are packed empty: a running container's /proc. */
  closed?: ReadonlySet<string>;
  /** Which paths go in; "within": not the directory itself, but perhaps something in it. All, when not given. */
  choose?: (path: ByteName, directory: boolean) => "take" | "leave" | "within";
  /** Everything belongs to this owner in the archive. */
  owner?: { uid: number; gid: number };
  /** The ids in the archive for those on disk. */
  ids?: (ids: { uid: number; gid: number }) => { uid: number; gid: number };
  /** Modification times without fractions of a second. */
  wholeSeconds?: boolean;
  signal?: AbortSignal;
}

/**
 * The tree below `root` as a tar archive, in chunks of at most 1 MiB: names in byte order without a leading "./",
 * directories with a trailing slash, hard links once as a file and then as links, no sockets (as `docker export`).
 * A file that changes its length meanwhile keeps the one it had when its turn came.
 */
export async function* packTree(root: string, options: PackOptions = {}): AsyncGenerator<Uint8Array> {
  using directory = openName(-100, toByteName(root), O_RDONLY);
  const prefix = toByteName(options.prefix ?? "");
  const seen = new Map<string, ByteName>();
  if (prefix !== "")
    yield encodeHeader(owned(entryOf(directory, "", prefix, statAt(directory, "")!), options));
  yield* packDirectory(directory, prefix, seen, options);
  yield END;
}

/**
 * One file that is no directory as an archive, under the name `as`; an empty archive for a socket, which tar cannot hold.
 * A symlink is packed as such.
 */
export async function* packFile(
  dir: FdLike,
  name: ByteName,
  as: ByteName,
  options: PackOptions = {},
): AsyncGenerator<Uint8Array> {
  const stat = statAt(dir, name);
  if (stat && TYPES.has(stat.type)) {
    const entry = owned(entryOf(dir, name, as, stat), options);
    if (entry.type === "file") yield* packContent(dir, name, entry);
    else yield encodeHeader(entry);
  }
  yield END;
}

/**
 * One entry of a directory as an archive under the name `as`, a directory with all that is in it; "." is `directory` itself.
 * Symlinks are packed as such.
 */
export async function* packEntry(directory: string, name: string, as: string): AsyncGenerator<Uint8Array> {
  using dir = openName(-100, toByteName(directory), O_RDONLY);
  const stat = statAt(dir, name === "." ? "" : toByteName(name));
  // Whole seconds, as the docker CLI sends them.
  const options: PackOptions = { prefix: `${as.replace(/\/+$/, "")}/`, wholeSeconds: true };
  if (stat?.type === S_IFDIR) yield* packTree(join(directory, name), options);
  else yield* packFile(dir, toByteName(name), toByteName(as), options);
}

async function* packDirectory(
  dir: Fd,
  prefix: ByteName,
  seen: Map<string, ByteName>,
  options: PackOptions,
): AsyncGenerator<Uint8Array> {
  const { signal, closed } = options;
  if (closed && closed.size > 0 && closed.has(statAt(dir, "")!.dev)) return;
  for (const name of namesIn(dir)) {
    signal?.throwIfAborted();
    const stat = statAt(dir, name);
    if (!stat || !TYPES.has(stat.type)) continue;
    const path = prefix + name;
    const choice = options.choose?.(path, stat.type === S_IFDIR) ?? "take";
    if (choice === "leave") continue;
    if (stat.type === S_IFDIR) {
      let directory: Fd;
      try {
        directory = openDirectory(dir, name);
      } catch (error) {
        if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) continue;
        throw error;
      }
      using open = directory;
      if (choice === "take") yield encodeHeader(owned(entryOf(dir, name, `${path}/`, stat), options));
      yield* packDirectory(open, `${path}/`, seen, options);
      continue;
    }
    const entry = owned(entryOf(dir, name, path, stat), options);
    if (stat.links > 1) {
      const inode = `${stat.dev}/${stat.ino}`;
      const first = seen.get(inode);
      if (first !== undefined) {
        yield encodeHeader({ ...entry, type: "link", linkName: first, size: 0, attributes: new Map() });
        continue;
      }
      seen.set(inode, path);
    }
    if (entry.type !== "file") {
      yield encodeHeader(entry);
      continue;
    }
    yield* packContent(dir, name, entry);
  }
}

/** Header and data of a regular file, small ones in one chunk. */
export async function* packContent(dir: FdLike, name: ByteName, entry: TarEntry): AsyncGenerator<Uint8Array> {
  // O_NONBLOCK: should a FIFO have taken the file's place, opening it must not wait for a writer.
  using file = openName(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const header = encodeHeader(entry);
  let chunk = Buffer.alloc(Math.min(CHUNK, header.length + entry.size + paddingOf(entry.size)));
  chunk.set(header);
  let used = header.length;
  let left = entry.size;
  let pad = paddingOf(entry.size);
  let ended = false;
  while (left > 0 || pad > 0) {
    if (used === chunk.length) {
      yield chunk;
      // The consumer may still hold the last one: a new buffer each.
      chunk = Buffer.alloc(Math.min(CHUNK, left + pad));
      used = 0;
    }
    if (left > 0) {
      const want = Math.min(left, chunk.length - used);
      const got: number = ended ? 0 : readSync(file.number, chunk, used, want, null);
      // Cut short meanwhile: zeros (which the buffer holds) keep the promised length, as GNU tar does.
      ended ||= got === 0;
      used += ended ? want : got;
      left -= ended ? want : got;
    } else {
      const step = Math.min(pad, chunk.length - used);
      used += step;
      pad -= step;
    }
  }
  yield chunk.subarray(0, used);
}

/** The archive's entry for a file as it lies on disk, under the name `path`. */
export function entryOf(dir: FdLike, name: ByteName, path: ByteName, stat: FileStat): TarEntry {
  const type = TYPES.get(stat.type)!;
  const device = type === "char" || type === "block";
  const found =
    type === "symlink" ? [] : [...attributes(dir, name)].filter(([attribute]) => isLayerAttribute(attribute));
  return {
    name: path,
    type,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    size: type === "file" ? stat.size : 0,
    mtime: stat.mtime,
    linkName: type === "symlink" ? readLink(dir, name) : "",
    devMajor: device ? stat.rdevMajor : 0,
    devMinor: device ? stat.rdevMinor : 0,
    attributes: new Map(found),
  };
}

function owned(entry: TarEntry, { owner: given, ids, wholeSeconds }: PackOptions): TarEntry {
  const owner = given ?? ids?.({ uid: entry.uid, gid: entry.gid });
  if (!owner && !wholeSeconds) return entry;
  const mtime = wholeSeconds ? { ...entry.mtime, nanoseconds: 0 } : entry.mtime;
  return { ...entry, ...owner, mtime };
}
