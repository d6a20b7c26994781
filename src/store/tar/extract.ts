// Unpacks a tar stream (an image layer, a `docker cp`) into a directory, or into the upper directory of an overlay.
//
// For overlays this writes straight into the upper directory, with whiteouts in overlayfs's own format, as containerd
// does: a mount would cost a umount (0.5–4 ms each), and a layer could see what lies below it.
import { writeSync } from "node:fs";
import { O_DIRECTORY, O_NOFOLLOW } from "../../../ffi/arch/index.ts";
import {
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_WRONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
} from "../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../ffi/errno.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { makedev } from "../../../ffi/file.ts";
import { syscall } from "../../../ffi/libc.ts";
import {
  type ByteName,
  changeOwner,
  createFile,
  makeDirectory,
  makeLink,
  makeNode,
  makeSymlink,
  namesIn,
  openDirectory,
  openName,
  removeTree,
  showName,
  statAt,
} from "../../../ffi/tree.ts";
import { ContentHash } from "../tree/hash.ts";
import { Directories, isWhiteoutNode, type OverlayFormat, takeAfterLower } from "./directories.ts";
import { ArchiveError, type TarEntry } from "./entry.ts";
import { applyByName, applyTimes, applyToFile } from "./metadata.ts";
import { cleanParts, isMeta, whiteoutOf } from "./names.ts";
import { TarReader } from "./reader.ts";

export interface ExtractOptions {
  /**
   * Write `directory` as an overlay's upper: whiteouts become 0/0 devices and opaque attributes.
   * Without it they remove what an earlier layer left in `directory`.
   */
  overlay?: OverlayFormat;
  /** Take `.wh.` names as ordinary files (an archive that is no layer). */
  plainNames?: boolean;
  /** Unpack into this directory below the root; links met on the way are still resolved from the root. */
  below?: ByteName;
  /** Refuse to put a directory in the place of something else, or something else in the place of a directory. */
  keepKinds?: boolean;
  /** Give everything to this owner, whatever the archive says. */
  owner?: Owner;
  /** The ids on disk for those of the archive (and of `owner`); what throws refuses the entry. */
  ids?: (ids: Owner) => Owner;
  signal?: AbortSignal;
  /** Gets the hash of each file's bytes (store/tree/hash.ts) by its inode; of sparse files not. */
  hashes?: Map<number, string>;
}

/** Whose a file is. */
export interface Owner {
  uid: number;
  gid: number;
}

export interface Extracted {
  /** Digest of the whole uncompressed stream: a layer's diff ID. */
  digest: string;
  /** Its length. */
  size: number;
  /** Directories made in passing, for `takeAfterLower`; none without `overlay`. */
  implied: ByteName[];
  /** Whether any file was given extended attributes. */
  attributes: boolean;
}

/**
 * Unpacks `stream` below `directory`; nothing is ever written outside of it. The stream is read to its very end.
 * Throws ArchiveError for a bad archive, SyscallError when the disk refuses, the signal's reason when aborted.
 * What was unpacked until then stays: the caller throws the directory away.
 */
export async function applyTar(
  stream: AsyncIterable<Uint8Array>,
  directory: string,
  options: ExtractOptions = {},
): Promise<Extracted> {
  const hash = new Bun.CryptoHasher("sha256");
  let size = 0;
  const hashed = (async function* () {
    for await (const chunk of stream) {
      options.signal?.throwIfAborted();
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  })();
  const reader = new TarReader(hashed);
  let implied: ByteName[];
  let attributes: boolean;
  try {
    using extraction = new Extraction(directory, options);
    for (let entry = await reader.next(); entry; entry = await reader.next()) {
      await extraction.add(entry, reader);
    }
    await reader.drain();
    implied = extraction.finish();
    attributes = extraction.attributes;
  } finally {
    await reader.cancel();
  }
  const lower = options.overlay?.lower;
  if (lower && implied.length > 0) takeAfterLower(directory, implied, lower);
  return { digest: `sha256:${hash.digest("hex")}`, size, implied, attributes };
}

class Extraction implements Disposable {
  readonly #directories: Directories;
  readonly #overlay?: OverlayFormat;
  readonly #options: ExtractOptions;
  /** Where the archive's own root lies below the tree's. */
  readonly #base: readonly ByteName[];
  /** Directories whose times are set at the end: making files in them changes them. */
  readonly #dated = new Map<ByteName, TarEntry>();
  /** What this archive has put there: a whiteout speaks of lower layers only. image-spec layer.md#whiteouts */
  readonly #own = new Set<ByteName>();
  readonly #hash: ContentHash | undefined;
  #attributes = false;

  constructor(directory: string, options: ExtractOptions) {
    this.#directories = new Directories(directory, options.overlay);
    this.#overlay = options.overlay;
    this.#options = options;
    this.#hash = options.hashes && new ContentHash();
    this.#base = options.below === undefined ? [] : options.below.split("/").filter((part) => part !== "");
  }

  [Symbol.dispose](): void {
    this.#directories[Symbol.dispose]();
  }

  /** Whether anything was given extended attributes, overlayfs's own among them. */
  get attributes(): boolean {
    return this.#attributes || this.#directories.hidden;
  }

  async add(entry: TarEntry, reader: TarReader): Promise<void> {
    try {
      const own = cleanParts(entry.name);
      const base = own.pop();
      // The root's own owner and mode belong to whoever made it (containerd: "file ignored: resolved to root").
      if (base === undefined) return;
      const { plainNames, owner, ids } = this.#options;
      const whiteout = plainNames ? undefined : whiteoutOf(base);
      if (whiteout?.kind === "meta" || (!plainNames && own.some(isMeta))) return;
      const parts = [...this.#base, ...own];
      const dir = this.#directories.at(parts);
      if (whiteout?.kind === "opaque") return this.#clear(dir, parts);
      if (whiteout) return this.#whiteOut(dir, parts, whiteout.name, entry);
      if (this.#options.keepKinds) checkKind(dir, base, entry);
      const theirs = owner ?? entry;
      await this.#put(
        dir,
        base,
        ids ? { ...entry, ...ids(theirs) } : owner ? { ...entry, ...owner } : entry,
        reader,
      );
      const path = [...parts, base].join("/");
      if (!this.#overlay) this.#own.add(path);
      if (entry.type === "directory") this.#dated.set(path, entry);
    } catch (error) {
      throw named(error, entry);
    }
  }

  /** Gives the directories their times. Returns those that no entry named. */
  finish(): ByteName[] {
    for (const [path, entry] of this.#dated) {
      const parts = path.split("/");
      const base = parts.pop()!;
      using dir = this.#directories.find(parts);
      // Something later in the archive may have taken its place.
      if (!dir || statAt(dir, base)?.type !== S_IFDIR) continue;
      using directory = openDirectory(dir, base);
      applyTimes(directory, entry);
    }
    return [...this.#directories.implied].filter((path) => !this.#dated.has(path));
  }

  async #put(dir: Fd, base: ByteName, entry: TarEntry, reader: TarReader): Promise<void> {
    this.#attributes ||= entry.attributes.size > 0;
    switch (entry.type) {
      case "file": {
        using file = this.#make(dir, base, () => createFile(dir, base, O_WRONLY | O_CREAT | O_EXCL, 0o600));
        await copyData(file, entry, reader, this.#hash);
        if (this.#hash && !entry.pieces)
          this.#options.hashes?.set(statAt(file, "")!.ino, this.#hash.digest());
        applyToFile(dir, base, file, entry);
        return;
      }
      case "directory":
        this.#putDirectory(dir, base);
        applyByName(dir, base, entry, false);
        return;
      case "symlink":
        this.#make(dir, base, () => makeSymlink(entry.linkName, dir, base) || undefined);
        applyByName(dir, base, entry, true);
        return;
      case "link":
        this.#putLink(dir, base, entry);
        applyByName(dir, base, entry, statAt(dir, base)?.type === S_IFLNK);
        return;
      case "fifo":
        this.#make(dir, base, () => makeNode(dir, base, S_IFIFO | 0o600, 0) || undefined);
        applyByName(dir, base, entry, false);
        return;
      case "char":
      case "block": {
        const type = entry.type === "char" ? S_IFCHR : S_IFBLK;
        const dev = makedev(entry.devMajor, entry.devMinor);
        this.#make(dir, base, () => makeNode(dir, base, type | 0o600, dev) || undefined);
        applyByName(dir, base, entry, false);
        return;
      }
    }
  }

  /** Calls `create` until the name is free: a later entry of the same name replaces an earlier one. */
  #make<T>(dir: Fd, base: ByteName, create: () => T | undefined): T {
    const made = create();
    if (made !== undefined) return made;
    this.#remove(dir, base);
    const again = create();
    if (again === undefined) throw new ArchiveError("the name is taken again while unpacking");
    return again;
  }

  #putDirectory(dir: Fd, base: ByteName): void {
    if (makeDirectory(dir, base, 0o700)) return;
    const there = statAt(dir, base);
    // Two directories of one name become one; anything else gives way.
    if (there?.type === S_IFDIR) return;
    const hides = there !== undefined && this.#overlay !== undefined && isWhiteoutNode(there);
    this.#remove(dir, base);
    makeDirectory(dir, base, 0o700);
    if (hides) this.#hideLower(dir, base);
  }

  #putLink(dir: Fd, base: ByteName, entry: TarEntry): void {
    const parts = [...this.#base, ...cleanParts(entry.linkName)];
    const name = parts.pop();
    using from = this.#directories.find(parts);
    const target = name !== undefined && from ? statAt(from, name) : undefined;
    if (!from || name === undefined || !target) {
      throw new ArchiveError(
        `hard link to ${JSON.stringify(showName(entry.linkName))}, which is not in the archive`,
      );
    }
    const there = statAt(dir, base);
    if (there && there.ino === target.ino && there.dev === target.dev) return;
    this.#make(dir, base, () => makeLink(from, name, dir, base) || undefined);
  }

  #hideLower(dir: Fd, base: ByteName): void {
    using made = openDirectory(dir, base);
    this.#directories.hideLower(made);
  }

  #remove(dir: Fd, base: ByteName): void {
    removeTree(dir, base);
    this.#directories.forget();
  }

  #whiteOut(dir: Fd, parts: readonly ByteName[], name: ByteName, entry: TarEntry): void {
    const path = [...parts, name].join("/");
    if (this.#overlay) {
      if (makeNode(dir, name, S_IFCHR, 0)) changeOwner(dir, name, entry.uid, entry.gid);
      else if (statAt(dir, name)?.type === S_IFDIR) this.#hideLower(dir, name);
      return;
    }
    if (statAt(dir, name) === undefined) return;
    if (!this.#own.has(path)) {
      if (!this.#ownsBelow(path)) this.#remove(dir, name);
      else this.#clearIn(dir, name, path);
    } else if (statAt(dir, name)?.type === S_IFDIR) this.#clearIn(dir, name, path);
  }

  /** An opaque marker: nothing of the lower layers in this directory remains. */
  #clear(dir: Fd, parts: readonly ByteName[]): void {
    if (this.#overlay) this.#directories.hideLower(dir);
    else this.#clearBelow(dir, parts.join("/"));
  }

  #clearIn(dir: Fd, name: ByteName, path: ByteName): void {
    using directory = openName(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    this.#clearBelow(directory, path);
  }

  #clearBelow(directory: Fd, path: ByteName): void {
    for (const name of namesIn(directory)) {
      const child = path === "" ? name : `${path}/${name}`;
      if (!this.#own.has(child) && !this.#ownsBelow(child)) this.#remove(directory, name);
      else if (statAt(directory, name)?.type === S_IFDIR) this.#clearIn(directory, name, child);
    }
  }

  #ownsBelow(path: ByteName): boolean {
    for (const own of this.#own) if (own.startsWith(`${path}/`)) return true;
    return false;
  }
}

function checkKind(dir: Fd, base: ByteName, entry: TarEntry): void {
  const there = statAt(dir, base);
  if (!there || (there.type === S_IFDIR) === (entry.type === "directory")) return;
  const words = there.type === S_IFDIR ? ["directory", "non-directory"] : ["non-directory", "directory"];
  const name = JSON.stringify(showName(entry.name));
  throw new ArchiveError(`cannot overwrite ${words[0]} ${name} with ${words[1]} ${name}`);
}

/** Writes the entry's data; a sparse file's pieces go where they belong and the rest stays a hole. */
async function copyData(file: Fd, entry: TarEntry, reader: TarReader, hash?: ContentHash): Promise<void> {
  const fd = file.number;
  if (!entry.pieces) {
    for (let chunk = await reader.read(); chunk; chunk = await reader.read()) {
      writeAll(fd, chunk);
      hash?.update(chunk);
    }
    return;
  }
  let index = 0;
  let done = 0;
  for (let chunk = await reader.read(); chunk; chunk = await reader.read()) {
    for (let at = 0; at < chunk.length; ) {
      const piece = entry.pieces[index]!;
      const part = chunk.subarray(at, at + piece.size - done);
      writeAll(fd, part, piece.offset + done);
      at += part.length;
      done += part.length;
      if (done === piece.size) {
        index++;
        done = 0;
      }
    }
  }
  syscall("ftruncate", file.path, fd, entry.size);
}

function writeAll(fd: number, bytes: Uint8Array, position?: number): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(fd, bytes, at, bytes.length - at, position === undefined ? null : position + at);
  }
}

/** The error with the entry's name in front, its code kept (callers ask for ENOSPC). */
function named(error: unknown, entry: TarEntry): unknown {
  if (!(error instanceof Error) || error.name === "AbortError") return error;
  const name = JSON.stringify(showName(entry.name));
  const message = error.message.includes(name) ? error.message : `${name}: ${error.message}`;
  const wrapped = new ArchiveError(`failed to extract ${message}`, { cause: error });
  if (isErrno(error, "ENOSPC", "EDQUOT")) Object.assign(wrapped, { code: (error as { code?: string }).code });
  return wrapped;
}
