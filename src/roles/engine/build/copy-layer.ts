// The layer that COPY or ADD makes, as a tar: directories that are missing on the way, then what is copied.
import { S_IFDIR, S_IFREG } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { type ByteName, showName, toByteName } from "../../../../ffi/tree.ts";
import { END, encodeHeader, paddingOf } from "../../../store/tar/encode.ts";
import type { TarEntry } from "../../../store/tar/entry.ts";
import { packTree } from "../../../store/tar/pack.ts";
import { rewriteTar } from "../../../store/tar/rewrite.ts";
import { openArchive } from "./archive.ts";
import type { CopySource } from "./copy-sources.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import { joinPath } from "./paths.ts";
import { contentOf, type Landing, landingIn, partsOf, reopened } from "./tree.ts";

export interface CopyRequest {
  keyword: "COPY" | "ADD";
  sources: readonly CopySource[];
  /** Absolute; a slash at its end means a directory. */
  target: string;
  /** The file system that is copied onto; undefined when it is empty. */
  base: Fd | undefined;
  /** Who owns the copies, and the directories made for them. */
  owner: { uid: number; gid: number };
  /** What comes from another image keeps its owners, unless --chown says otherwise. */
  keepOwners: boolean;
  /** --chown was given: it also holds for what an archive says. */
  ownerGiven: boolean;
  /** --chmod */
  mode: number | undefined;
  /** ADD: unpack archives; undefined for those that are local. */
  unpack: boolean | undefined;
  /** --exclude: what is left out of directories, by its path below the source. */
  excludes(path: string): boolean;
  now: Date;
}

/** Makes directories in the layer, each once. */
class Directories {
  readonly #made = new Set<ByteName>();
  constructor(private readonly request: CopyRequest) {}

  *to({ parts, existing }: Pick<Landing, "parts" | "existing">): Generator<Uint8Array> {
    for (let i = existing + 1; i <= parts.length; i++) {
      const path = parts.slice(0, i).join("/");
      if (this.#made.has(path)) continue;
      this.#made.add(path);
      yield encodeHeader(directoryEntry(path, this.request.owner, this.request.now));
    }
  }

  has(path: ByteName): boolean {
    return this.#made.has(path);
  }
}

/** A directory with mode 0755, as docker makes those that a path needs. */
export function directoryEntry(path: ByteName, owner: { uid: number; gid: number }, now: Date): TarEntry {
  return {
    name: `${path}/`,
    type: "directory",
    mode: 0o755,
    ...owner,
    size: 0,
    mtime: { seconds: Math.floor(now.getTime() / 1000), nanoseconds: 0 },
    linkName: "",
    devMajor: 0,
    devMinor: 0,
    attributes: new Map(),
  };
}

/** The layer's tar. Throws DockerfileError where a directory and a file are in each other's way. */
export async function* copyLayer(request: CopyRequest): AsyncGenerator<Uint8Array> {
  const made = new Directories(request);
  const own = (entry: TarEntry): TarEntry => ({
    ...entry,
    ...(request.keepOwners ? {} : request.owner),
    ...(request.mode === undefined || entry.type === "symlink" ? {} : { mode: request.mode }),
  });
  for (const source of request.sources) {
    if (source.stat.type === S_IFDIR) yield* copyDirectory(request, made, source, own);
    else yield* copyFile(request, made, source, own);
  }
  yield END;
}

async function* copyDirectory(
  request: CopyRequest,
  made: Directories,
  source: CopySource,
  own: (entry: TarEntry) => TarEntry,
): AsyncGenerator<Uint8Array> {
  const target = targetOf(request.target, source, true);
  const landing = landingIn(request.base, toByteName(target));
  if (landing.end && landing.end.type !== S_IFDIR) throw noDirectory(target);
  yield* made.to(landing);
  const prefix = landing.parts.length === 0 ? "" : `${landing.parts.join("/")}/`;
  const below = (path: ByteName): string => showName(path.slice(prefix.length));
  const tree = packTree(`/proc/self/fd/${source.fd.number}/`, {
    prefix,
    // A later pattern may take something in a directory back.
    choose: (path, directory) => (!request.excludes(below(path)) ? "take" : directory ? "within" : "leave"),
  });
  // The target itself is there by now, and keeps its own owner and mode.
  yield* rewriteTar(tree, (entry) => (entry.name === prefix ? undefined : own(entry)));
}

/** Where a source goes: with --parents below the target, into the directories that it came from. */
function targetOf(target: string, { parents, name }: CopySource, directory: boolean): string {
  if (!parents) return target;
  const below = [...parents, ...(directory ? [name] : [])].map(showName);
  return `${joinPath(target, below.join("/"))}/`;
}

const noDirectory = (target: string): DockerfileError =>
  new DockerfileError(`cannot copy to non-directory: ${target}`);

async function* copyFile(
  request: CopyRequest,
  made: Directories,
  source: CopySource,
  own: (entry: TarEntry) => TarEntry,
): AsyncGenerator<Uint8Array> {
  const { base } = request;
  const target = targetOf(request.target, source, false);
  const unpack = request.keyword === "ADD" && (request.unpack ?? !source.plain);
  if (unpack && source.stat.type === S_IFREG) {
    const archive = await openArchive(source.fd);
    if (archive) {
      yield* unpackInto(request, made, archive);
      return;
    }
  }
  const directory = landingIn(base, toByteName(target));
  const into = target.endsWith("/") || directory.end?.type === S_IFDIR || made.has(directory.parts.join("/"));
  if (target.endsWith("/") && directory.end && directory.end.type !== S_IFDIR) throw noDirectory(target);
  const landing = into ? landingIn(base, `${toByteName(joinPath(target, ""))}/${source.name}`) : directory;
  if (landing.end?.type === S_IFDIR) {
    throw new DockerfileError(`cannot overwrite directory ${target} with a file`);
  }
  const { parts, existing } = landing;
  yield* made.to({ parts: parts.slice(0, -1), existing });
  yield* packOpen(source, parts.join("/"), own);
}

/** One file that is open already: found by following symlinks, it has no directory to be named in. */
function* packOpen(
  { fd, stat, name, attributes }: CopySource,
  path: ByteName,
  own: (entry: TarEntry) => TarEntry,
): Generator<Uint8Array> {
  if (stat.type !== S_IFREG) throw new DockerfileError(`cannot copy ${name}: it is no regular file`);
  yield encodeHeader(
    own({
      name: path,
      type: "file",
      mode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
      size: stat.size,
      mtime: stat.mtime,
      linkName: "",
      devMajor: 0,
      devMinor: 0,
      attributes: new Map(attributes),
    }),
  );
  using file = reopened(fd);
  let left = stat.size;
  for (const chunk of contentOf(file)) {
    const part = chunk.slice(0, left);
    left -= part.length;
    if (part.length > 0) yield part;
  }
  // Cut short meanwhile: zeros keep the promised length.
  yield new Uint8Array(left + paddingOf(stat.size));
}

async function* unpackInto(
  request: CopyRequest,
  made: Directories,
  archive: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const landing = landingIn(request.base, toByteName(request.target));
  if (landing.end && landing.end.type !== S_IFDIR) throw noDirectory(request.target);
  yield* made.to(landing);
  const base = landing.parts.join("/");
  const below = (name: ByteName): ByteName => {
    const parts = partsOf(name);
    if (parts.includes("..")) throw new DockerfileError(`archive entry ${name} points outside of the target`);
    return [base, ...parts].filter((part) => part !== "").join("/");
  };
  try {
    yield* rewriteTar(archive, (entry) => {
      const name = below(entry.name);
      if (name === base) return undefined;
      return {
        ...entry,
        ...(request.ownerGiven ? request.owner : {}),
        name: entry.type === "directory" ? `${name}/` : name,
        linkName: entry.type === "link" ? below(entry.linkName) : entry.linkName,
      };
    });
  } catch (error) {
    if (isErrno(error, "ENOSPC")) throw error;
    throw new DockerfileError(`failed to unpack the archive: ${(error as Error).message}`, { cause: error });
  }
}
