// What an unpacked tree is made of, file by file, and where two of them differ.
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { O_DIRECTORY, O_NOFOLLOW } from "../../ffi/arch/index.ts";
import { O_RDONLY, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "../../ffi/constants/fcntl.ts";
import { type FdLike, fdNumber } from "../../ffi/fd.ts";
import {
  attributes,
  type ByteName,
  namesIn,
  openDirectory,
  openName,
  readLink,
  showName,
  statAt,
  toByteName,
} from "../../ffi/tree.ts";

const AT_FDCWD = -100;

const KINDS: Readonly<Record<number, string>> = {
  [S_IFREG]: "file",
  [S_IFDIR]: "directory",
  [S_IFLNK]: "symlink",
  [S_IFCHR]: "char",
  [S_IFBLK]: "block",
  [S_IFIFO]: "fifo",
};

/** One file as words: everything that an image says about it. */
export type Description = Readonly<Record<string, string>>;

/** Path below the root → what is there. Whiteouts are the 0/0 devices and attributes that overlayfs makes of them. */
export type Tree = ReadonlyMap<string, Description>;

function contentOf(dir: FdLike, name: ByteName): string {
  const opened = openName(dir, name, O_RDONLY | O_NOFOLLOW);
  const fd = openSync(`/proc/self/fd/${opened.number}`, "r");
  try {
    const hash = createHash("sha256");
    const chunk = new Uint8Array(1 << 20);
    for (let got = readSync(fd, chunk); got > 0; got = readSync(fd, chunk))
      hash.update(chunk.subarray(0, got));
    return hash.digest("hex").slice(0, 16);
  } finally {
    closeSync(fd);
    opened.close();
  }
}

/**
 * Reads a whole tree. `content: false` leaves out the hashes of the files' bytes. Times after `since` (milliseconds) count as the
 * moment of unpacking, which nobody else's tree can have: of a directory that the archive does not name, or a whiteout.
 */
export function readTree(root: string, options: { content?: boolean; since?: number } = {}): Tree {
  const { content = true, since = Number.POSITIVE_INFINITY } = options;
  const tree = new Map<string, Description>();
  /** The first name of each inode with several: hard links are told by it. */
  const linked = new Map<number, string>();
  const look = (dir: FdLike, name: ByteName, path: string): void => {
    const stat = statAt(dir, name);
    if (!stat) return;
    const kind = KINDS[stat.type] ?? `type ${stat.type.toString(8)}`;
    const says: Record<string, string> = {
      kind,
      mode: (stat.mode & 0o7777).toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      mtime:
        stat.mtime.seconds * 1000 > since
          ? "now"
          : `${stat.mtime.seconds}.${String(stat.mtime.nanoseconds).padStart(9, "0")}`,
    };
    if (kind === "file") {
      says["size"] = String(stat.size);
      if (content) says["content"] = contentOf(dir, name);
    }
    if (kind === "symlink") says["target"] = showName(readLink(dir, name));
    if (kind === "char" || kind === "block") says["device"] = `${stat.rdevMajor}/${stat.rdevMinor}`;
    for (const [attribute, value] of attributes(dir, name)) {
      says[`xattr ${showName(attribute)}`] = Buffer.from(value).toString("hex");
    }
    if (kind !== "directory" && stat.links > 1) {
      const first = linked.get(stat.ino);
      if (first === undefined) linked.set(stat.ino, path);
      says["same file as"] = first ?? path;
    }
    tree.set(path, says);
    if (kind !== "directory" || name === "") return;
    using directory = openDirectory(dir, name);
    for (const child of namesIn(directory)) look(directory, child, `${path}/${showName(child)}`);
  };
  using top = openName(AT_FDCWD, toByteName(root), O_RDONLY | O_DIRECTORY);
  look(fdNumber(top), "", ".");
  for (const child of namesIn(top)) look(top, child, `./${showName(child)}`);
  return tree;
}

/** Every difference as a line: `./etc/passwd: mode 644, expected 600`. */
export function differences(found: Tree, expected: Tree): string[] {
  const lines: string[] = [];
  for (const [path, wanted] of expected) {
    const got = found.get(path);
    if (!got) {
      lines.push(`${path}: missing (${wanted["kind"]})`);
      continue;
    }
    for (const key of new Set([...Object.keys(wanted), ...Object.keys(got)])) {
      if (got[key] !== wanted[key]) lines.push(`${path}: ${key} ${got[key]}, expected ${wanted[key]}`);
    }
  }
  for (const [path, got] of found)
    if (!expected.has(path)) lines.push(`${path}: not expected (${got["kind"]})`);
  return lines;
}
