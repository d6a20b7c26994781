// A tree, file by file, by descriptor: no path is resolved twice and no link followed.
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
} from "../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../ffi/fd.ts";
import {
  attributes,
  type ByteName,
  type FileStat,
  namesIn,
  openDirectory,
  readLink,
  statAt,
} from "../../../ffi/tree.ts";

/** A file on the way: `name` in the open directory `dir`, which is borrowed until the next step. */
export interface Visit {
  dir: Fd;
  name: ByteName;
  /** Below the root, without a leading slash. */
  path: ByteName;
  stat: FileStat;
}

/** Everything below an open directory, a directory before what it holds, names in the order of their bytes. */
export function* walk(dir: Fd, above: ByteName = ""): Generator<Visit> {
  for (const name of namesIn(dir)) {
    const stat = statAt(dir, name);
    if (!stat) continue;
    const path = above === "" ? name : `${above}/${name}`;
    yield { dir, name, path, stat };
    if (stat.type !== S_IFDIR) continue;
    using inner = openDirectory(dir, name);
    yield* walk(inner, path);
  }
}

const KINDS: Readonly<Record<number, string>> = {
  [S_IFREG]: "file",
  [S_IFDIR]: "directory",
  [S_IFLNK]: "symlink",
  [S_IFCHR]: "char",
  [S_IFBLK]: "block",
  [S_IFIFO]: "fifo",
  [S_IFSOCK]: "socket",
};

/** A file in words: what an image says about it, but for what it holds. */
export interface Description {
  kind: string;
  /** Octal, with setuid, setgid and sticky. */
  mode: string;
  /** uid:gid */
  owner: string;
  /** Seconds and nanoseconds. */
  mtime: string;
  size?: number;
  /** Of a symlink. */
  target?: ByteName;
  /** major/minor of a device; a whiteout is 0/0. */
  device?: string;
  /** Of another name's file: the first of its names. */
  same?: ByteName;
  /** Extended attributes, their values in hexadecimal. */
  attributes?: Record<ByteName, string>;
}

/** Describes files of one tree; `withAttributes` says for which of them it is worth asking for extended attributes. */
export class Describer {
  /** The first name of each inode with several. */
  readonly #linked = new Map<number, ByteName>();

  constructor(private readonly withAttributes: (visit: Visit) => boolean = () => true) {}

  describe(visit: Visit): Description {
    const { dir, name, path, stat } = visit;
    const kind = KINDS[stat.type] ?? `type ${stat.type.toString(8)}`;
    const says: Description = {
      kind,
      mode: (stat.mode & 0o7777).toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      mtime: `${stat.mtime.seconds}.${String(stat.mtime.nanoseconds).padStart(9, "0")}`,
    };
    if (kind === "file") says.size = stat.size;
    if (kind === "symlink") says.target = readLink(dir, name);
    if (kind === "char" || kind === "block") says.device = `${stat.rdevMajor}/${stat.rdevMinor}`;
    if (kind !== "directory" && stat.links > 1) {
      const first = this.#linked.get(stat.ino);
      if (first === undefined) this.#linked.set(stat.ino, path);
      else says.same = first;
    }
    if (this.withAttributes(visit)) {
      const found = [...attributes(dir, name)].map(([key, value]) => [
        key,
        Buffer.from(value).toString("hex"),
      ]);
      if (found.length > 0) says.attributes = Object.fromEntries(found);
    }
    return says;
  }
}
