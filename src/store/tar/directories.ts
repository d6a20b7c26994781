// The directories of a tree that is being unpacked: found, or made, without ever leaving its root.
//
// A path is resolved as a process chrooted to the root would (symlinks inside the tree count, absolute ones start at the
// root, ".." stops there), by openat2(RESOLVE_IN_ROOT) where it exists and part by part where parts must be made.
import { O_DIRECTORY, O_NOFOLLOW } from "../../../ffi/arch/index.ts";
import { AT_FDCWD, O_PATH, O_RDONLY, S_IFCHR, S_IFDIR, S_IFLNK } from "../../../ffi/constants/fcntl.ts";
import { ERRNO, isErrno, SyscallError } from "../../../ffi/errno.ts";
import type { Fd } from "../../../ffi/fd.ts";
import {
  attributes,
  type ByteName,
  changeMode,
  changeModeOf,
  changeOwner,
  type FileStat,
  makeDirectory,
  openInside,
  openName,
  readLink,
  removeTree,
  setAttribute,
  showName,
  statAt,
  toByteName,
} from "../../../ffi/tree.ts";
import { ArchiveError } from "./entry.ts";

/** How overlayfs marks things in an upper directory; undefined for a plain directory. */
export interface OverlayFormat {
  /** "trusted.overlay.opaque", or "user.overlay.opaque" for a mount with userxattr. */
  opaque: ByteName;
  /** The lower directories, topmost first, where they are there already; else `takeAfterLower` is the caller's. */
  lower?: readonly string[];
}

/** A whiteout as overlayfs has it: a character device 0/0. kernel Documentation/filesystems/overlayfs.rst */
export const isWhiteoutNode = (stat: FileStat): boolean =>
  stat.type === S_IFCHR && stat.rdevMajor === 0 && stat.rdevMinor === 0;

const MAX_LINKS = 255;

export class Directories implements Disposable {
  readonly root: Fd;
  readonly #overlay?: OverlayFormat;
  /** Directories made in passing, of which the layers below may know more: see `takeAfterLower`. */
  readonly implied = new Set<ByteName>();
  /** Whether a directory was marked as hiding what lies below. */
  hidden = false;
  /** The last directory handed out: archives name a directory's members one after another. */
  #last?: { path: ByteName; fd: Fd };
  #stale = false;

  constructor(root: string, overlay?: OverlayFormat) {
    this.root = openTree(root);
    this.#overlay = overlay;
  }

  [Symbol.dispose](): void {
    this.#last?.fd.close();
    this.root.close();
  }

  /** Must be called when something was removed: the path that is remembered may lead elsewhere now. */
  forget(): void {
    this.#stale = true;
  }

  /** The directory of that path, made with its parents where missing. Borrowed: valid until the next call. */
  at(parts: readonly ByteName[]): Fd {
    if (parts.length === 0) return this.root;
    const path = parts.join("/");
    if (this.#last?.path === path && !this.#stale) return this.#last.fd;
    this.#last?.fd.close();
    this.#last = undefined;
    this.#stale = false;
    const fd = openDirectoryInside(this.root, path) ?? this.#make(parts);
    this.#last = { path, fd };
    return fd;
  }

  /** The directory of that path if it is there. Owned by the caller. */
  find(parts: readonly ByteName[]): Fd | undefined {
    return openDirectoryInside(this.root, parts.join("/"));
  }

  /** Marks a directory of an overlay's upper so that nothing of the lower ones shows through. */
  hideLower(directory: Fd): void {
    if (!this.#overlay) return;
    this.hidden = true;
    setAttribute(directory, "", this.#overlay.opaque, new Uint8Array([0x79]));
  }

  /** Walks part by part from the root, following symlinks itself, and makes what is missing. */
  #make(parts: readonly ByteName[]): Fd {
    const pending = [...parts];
    /** The directories walked through, for "..", with their names. */
    const stack: { name: ByteName; fd: Fd }[] = [];
    let links = 0;
    try {
      for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
        if (name === "" || name === ".") continue;
        if (name === "..") {
          stack.pop()?.fd.close();
          continue;
        }
        const dir = stack.at(-1)?.fd ?? this.root;
        let stat = statAt(dir, name);
        let hide = false;
        if (stat && this.#overlay && isWhiteoutNode(stat)) {
          removeTree(dir, name);
          stat = undefined;
          hide = true;
        }
        if (stat?.type === S_IFLNK) {
          if (++links > MAX_LINKS)
            throw new SyscallError("openat", ERRNO["ELOOP"]!, showName(parts.join("/")));
          const target = readLink(dir, name);
          if (target.startsWith("/")) for (const step of stack.splice(0)) step.fd.close();
          pending.unshift(...target.split("/"));
          continue;
        }
        if (stat && stat.type !== S_IFDIR) {
          throw new ArchiveError(`${JSON.stringify(showName(parts.join("/")))}: not a directory`);
        }
        if (!stat) this.#makeOne(dir, name, [...stack.map((step) => step.name), name].join("/"), hide);
        stack.push({ name, fd: openName(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) });
      }
      const last = stack.pop();
      return last ? last.fd : openName(this.root, ".", O_RDONLY | O_DIRECTORY);
    } finally {
      for (const step of stack) step.fd.close();
    }
  }

  /** A directory that no entry names: root's, with 0755, until `takeAfterLower` knows better. */
  #makeOne(dir: Fd, name: ByteName, path: ByteName, hide: boolean): void {
    makeDirectory(dir, name, 0o755);
    changeMode(dir, name, 0o755);
    if (hide) {
      using made = openName(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      this.hideLower(made);
    } else if (this.#overlay) this.implied.add(path);
  }
}

const openTree = (path: string) => openName(AT_FDCWD, toByteName(path), O_RDONLY | O_DIRECTORY);

/**
 * Gives directories that an unpacked layer made in passing the owner, mode and attributes that they have in the layers below.
 * `lower`: those layers' directories, topmost first.
 */
export function takeAfterLower(
  directory: string,
  implied: Iterable<ByteName>,
  lower: readonly string[],
): void {
  using root = openTree(directory);
  const below: Fd[] = [];
  try {
    for (const path of lower) below.push(openTree(path));
    for (const path of implied) {
      // A later entry may have put something else in its place.
      using made = openInside(root, path, O_PATH | O_NOFOLLOW);
      if (!made || statAt(made, "")?.type !== S_IFDIR) continue;
      using target = openName(made, ".", O_RDONLY | O_DIRECTORY);
      using from = findBelow(below, path);
      if (!from) continue;
      const stat = statAt(from, "")!;
      changeOwner(target, "", stat.uid, stat.gid);
      for (const [attribute, value] of attributes(from, "")) {
        if (!/^(trusted|user)\.overlay\./.test(attribute)) setAttribute(target, "", attribute, value);
      }
      changeModeOf(target, stat.mode & 0o7777);
    }
  } finally {
    for (const fd of below) fd.close();
  }
}

/** The directory of that path in the topmost layer that has something there. */
function findBelow(lower: readonly Fd[], path: ByteName): Fd | undefined {
  for (const layer of lower) {
    let found: Fd | undefined;
    try {
      found = openInside(layer, path, O_PATH | O_NOFOLLOW);
    } catch (error) {
      if (isErrno(error, "ENOTDIR", "ELOOP")) return undefined;
      throw error;
    }
    if (!found) continue;
    using place = found;
    if (statAt(place, "")!.type !== S_IFDIR) return undefined;
    // O_PATH descriptors have no attributes to read: open it for real.
    return openName(place, ".", O_RDONLY | O_DIRECTORY);
  }
  return undefined;
}

/** A directory inside `root`; undefined when the path does not lead to anything yet. */
function openDirectoryInside(root: Fd, path: ByteName): Fd | undefined {
  try {
    return openInside(root, path, O_RDONLY | O_DIRECTORY);
  } catch (error) {
    // Something on the way is no directory: the walk part by part says what, or replaces a whiteout.
    if (isErrno(error, "ENOTDIR")) return undefined;
    throw error;
  }
}
