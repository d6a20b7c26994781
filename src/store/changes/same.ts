// Whether a file is the same in two trees, as containerd's differ decides it: by what stat and the capabilities say, and by
// the content only where a time was cut to whole seconds and so proves nothing.
import { readSync } from "node:fs";
import { O_NOFOLLOW } from "../../../ffi/arch/index.ts";
import { O_NONBLOCK, O_RDONLY, S_IFDIR, S_IFLNK, S_IFREG } from "../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { attributes, type ByteName, type FileStat, openName, readLink } from "../../../ffi/tree.ts";
import { isLayerAttribute } from "../tar/metadata.ts";

const CHUNK = 1 << 16;

/** A file in its tree. */
export interface Placed {
  dir: Fd;
  stat: FileStat;
}

/** Directories are the same when their own metadata is; their times follow what is in them and do not count. */
export function isSame(name: ByteName, a: Placed, b: Placed): boolean {
  const [one, two] = [a.stat, b.stat];
  if (one.dev === two.dev && one.ino === two.ino) return true;
  if (one.mode !== two.mode || one.uid !== two.uid || one.gid !== two.gid) return false;
  if (one.rdevMajor !== two.rdevMajor || one.rdevMinor !== two.rdevMinor) return false;
  if (one.type !== S_IFLNK && !sameAttributes(name, a, b)) return false;
  if (one.type === S_IFDIR) return true;
  if (one.size !== two.size) return false;
  if (one.mtime.seconds !== two.mtime.seconds) return false;
  if (one.mtime.nanoseconds !== two.mtime.nanoseconds) return false;
  if (one.type === S_IFLNK) return readLink(a.dir, name) === readLink(b.dir, name);
  if (one.type !== S_IFREG || one.size === 0 || one.mtime.nanoseconds !== 0) return true;
  return sameContent(name, a.dir, b.dir);
}

function sameAttributes(name: ByteName, a: Placed, b: Placed): boolean {
  const [one, two] = [a, b].map(({ dir }) =>
    [...attributes(dir, name)].filter(([attribute]) => isLayerAttribute(attribute)),
  );
  if (one!.length !== two!.length) return false;
  const other = new Map(two!);
  return one!.every(([attribute, value]) => {
    const found = other.get(attribute);
    return found !== undefined && Buffer.compare(found, value) === 0;
  });
}

function sameContent(name: ByteName, a: Fd, b: Fd): boolean {
  // O_NONBLOCK: should a FIFO have taken the file's place, opening it must not wait for a writer.
  using one = openName(a, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  using two = openName(b, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const [left, right] = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)];
  for (let at = 0; ; ) {
    const got = readSync(one.number, left, 0, CHUNK, at);
    for (let have = 0; have < got; ) {
      const more = readSync(two.number, right, have, got - have, at + have);
      if (more === 0) return false;
      have += more;
    }
    if (left.compare(right, 0, got, 0, got) !== 0) return false;
    if (got === 0) return true;
    at += got;
  }
}
