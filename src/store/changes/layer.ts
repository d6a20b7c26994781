// Changes as the tar archive of an image layer. image-spec layer.md
import type { ByteName } from "../../../ffi/tree.ts";
import { END, encodeHeader } from "../tar/encode.ts";
import type { TarEntry } from "../tar/entry.ts";
import { OPAQUE, WHITEOUT } from "../tar/names.ts";
import { entryOf, packContent, TYPES } from "../tar/pack.ts";
import type { Change } from "./change.ts";

/**
 * The layer that these changes make, in chunks of at most 1 MiB. A directory above a change is in it even when it is itself
 * unchanged, as containerd's differ has it; sockets are not.
 */
export async function* packLayer(changes: Iterable<Change>): AsyncGenerator<Uint8Array> {
  /** Directories on the way to the current change that are not written yet. */
  const pending: { path: ByteName; entry: TarEntry }[] = [];
  /** First name of each file with several; and names seen while there was nothing to link to, for they are unchanged. */
  const written = new Map<string, ByteName>();
  const unwritten = new Map<string, TarEntry[]>();

  function* parents(): Generator<Uint8Array> {
    for (const { entry } of pending.splice(0)) yield encodeHeader(entry);
  }
  const link = (entry: TarEntry, to: ByteName) =>
    encodeHeader({ ...entry, type: "link", linkName: to, size: 0, attributes: new Map() });

  for (const { kind, path, dir, name, stat } of changes) {
    const inside = kind === "opaque" ? `${path}/` : path;
    while (pending.length > 0 && !inside.startsWith(pending.at(-1)!.path)) pending.pop();
    if (kind === "deleted" || kind === "opaque") {
      yield* parents();
      yield encodeHeader(whiteout(kind === "opaque" ? `${path}/${OPAQUE}` : whiteoutName(path)));
      continue;
    }
    if (!stat || !TYPES.has(stat.type)) continue;
    const isDirectory = TYPES.get(stat.type) === "directory";
    const entry = entryOf(dir, name, isDirectory ? `${path}/` : path, stat);
    if (isDirectory) {
      pending.push({ path: entry.name, entry });
      if (kind !== "unchanged") yield* parents();
      continue;
    }
    const inode = stat.links > 1 ? `${stat.dev}/${stat.ino}` : undefined;
    const first = inode && written.get(inode);
    if (first !== undefined) {
      yield* parents();
      yield link(entry, first);
      continue;
    }
    if (kind === "unchanged") {
      if (inode) unwritten.set(inode, [...(unwritten.get(inode) ?? []), entry]);
      continue;
    }
    yield* parents();
    if (entry.type === "file") yield* packContent(dir, name, entry);
    else yield encodeHeader(entry);
    if (!inode) continue;
    written.set(inode, path);
    // A new name of an unchanged file: its old names must become links to the new file, or the two would part.
    for (const old of unwritten.get(inode) ?? []) yield link(old, path);
    unwritten.delete(inode);
  }
  yield END;
}

function whiteoutName(path: ByteName): ByteName {
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}${WHITEOUT}${path.slice(slash)}`;
}

const whiteout = (name: ByteName): TarEntry => ({
  name,
  type: "file",
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  linkName: "",
  devMajor: 0,
  devMinor: 0,
  attributes: new Map(),
});
