// The sources of COPY and ADD, found and hashed before anything is copied: the hash decides about the cache.
import { basename } from "node:path";
import { S_IFDIR } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { type ByteName, type FileStat, showName, toByteName } from "../../../../ffi/tree.ts";
import { globToRegExp } from "../images/list.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import { attributesIn, findIn, hashTree, partsOf, pathsIn } from "./tree.ts";

export interface CopySource {
  /** What is copied, symlinks on the way to it followed; an O_PATH descriptor. Closed by who has the source. */
  fd: Fd;
  stat: FileStat;
  /** Its file capabilities and user attributes. */
  attributes: ReadonlyMap<ByteName, Uint8Array>;
  /** The name that it gets in a directory. */
  name: ByteName;
  /** --parents: the directories of the source that are kept below the target. */
  parents?: ByteName[];
  /** "file:…", "dir:…": its content, without times and owners. */
  hash: string;
  /** ADD must not unpack it (it came from a URL or a here-document). */
  plain: boolean;
}

/** A tree to copy from. */
export interface SourceTree {
  root: Fd;
  /** For the context, whose files somebody may have left out by .dockerignore. */
  context: boolean;
}

function hashOf(found: { fd: Fd; stat: FileStat }): string {
  const hash = new Bun.CryptoHasher("sha256");
  hashTree(hash, found.fd, "", "");
  return `${found.stat.type === S_IFDIR ? "dir" : "file"}:${hash.digest("hex")}`;
}

function missing(path: string, { context }: SourceTree): DockerfileError {
  return new DockerfileError(
    `${context ? "file not found in build context or excluded by .dockerignore: " : ""}stat ${path}: file does not exist`,
  );
}

function sourceAt(tree: SourceTree, path: ByteName): CopySource | undefined {
  const found = findIn(tree.root, path);
  if (!found) return undefined;
  return {
    ...found,
    attributes: attributesIn(tree.root, path),
    name: basename(path),
    hash: hashOf(found),
    plain: false,
  };
}

const hasWildcards = (path: string): boolean => /[*?[]/.test(path.replace(/\\./g, ""));

/** Go's filepath.Match keeps to one level, and so does this. */
function matching(tree: SourceTree, pattern: string): ByteName[] {
  const wanted = globToRegExp(partsOf(pattern).join("/"));
  return [...pathsIn(tree.root)].filter((path) => wanted.test(showName(path)));
}

/** "a/./b/c" → "b": what --parents keeps of the way to a source, which begins behind a lone dot. */
function parentsOf(path: ByteName, word: string): ByteName[] {
  const pivot = toByteName(word).split("/./");
  const skipped = pivot.length > 1 ? partsOf(pivot[0]!).length : 0;
  return partsOf(path).slice(skipped, -1);
}

/** As sourcesIn, with the directories that each is in. Throws DockerfileError. */
export function sourcesWithParents(tree: SourceTree, word: string): CopySource[] {
  const paths = hasWildcards(word) ? matching(tree, word) : [toByteName(word)];
  return paths.flatMap((path) => {
    const source = sourceAt(tree, path);
    if (!source) throw missing(partsOf(word).join("/"), tree);
    return { ...source, parents: parentsOf(path, word) };
  });
}

/** What one source word of COPY means in a tree. Throws DockerfileError for one that is not there. */
export function sourcesIn(tree: SourceTree, word: string): CopySource[] {
  if (tree.context && word.split("/").includes("..") && /^(\.\/)*\.\./.test(word)) {
    throw new DockerfileError(`forbidden path outside the build context: ${word} ()`);
  }
  if (hasWildcards(word)) {
    const found = matching(tree, word).flatMap((path) => sourceAt(tree, path) ?? []);
    return found;
  }
  const source = sourceAt(tree, toByteName(word));
  if (!source) throw missing(partsOf(word).join("/"), tree);
  return [source];
}

/** One hash for all sources, as docker's history shows it. */
export function combinedHash(sources: readonly CopySource[]): string {
  if (sources.length === 1) return sources[0]!.hash;
  const all = sources.map(({ hash }) => hash).join(",");
  return `multi:${new Bun.CryptoHasher("sha256").update(all).digest("hex")}`;
}
