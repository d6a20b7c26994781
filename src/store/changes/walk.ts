// Walks an upper tree beside the lower one and tells what changed, without mounting anything.
//
// Two ways to hold a tree: plain directories (the lower one may be missing), or an overlay's own layers, where the upper
// directory names only what changed, whiteouts stand for what is gone and the lower ones are merged by the walk itself.
import { S_IFDIR, S_IFREG } from "../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { attributes, type ByteName, namesIn, openDirectory, showName, statAt } from "../../../ffi/tree.ts";
import { isWhiteoutNode } from "../tar/directories.ts";
import { type Change, NeedsMount } from "./change.ts";
import { isSame, type Placed } from "./same.ts";

export interface WalkOptions {
  /** Both trees are in overlayfs's format: "trusted" or "user" is the namespace of its attributes. */
  overlay?: "trusted" | "user";
  /** Tell each name that an opaque directory hides, in place of one "opaque". */
  spellOut?: boolean;
  signal?: AbortSignal;
}

/**
 * The changes from `lower` (topmost first; at most one without `overlay`) to `upper`, parents before children, names in byte
 * order. The caller keeps its descriptors. Throws NeedsMount, SyscallError.
 */
export function* walkChanges(
  upper: Fd,
  lower: readonly Fd[],
  options: WalkOptions = {},
): Generator<Change, void, undefined> {
  yield* walk(upper, lower, "", options, false);
}

interface Below extends Placed {
  /** The directories that are merged at this name, topmost first; theirs to close is the walk. */
  directories: Fd[];
}

/** `hidden`: a directory above is opaque, so that the lower tree does not show through. */
function* walk(
  upper: Fd,
  visible: readonly Fd[],
  prefix: ByteName,
  options: WalkOptions,
  hidden: boolean,
): Generator<Change, void, undefined> {
  const { overlay, spellOut, signal } = options;
  signal?.throwIfAborted();
  let lower = visible;
  let opaque = hidden;
  if (overlay) {
    const own = attributes(upper, "");
    if (own.has(`${overlay}.overlay.redirect`)) throw new NeedsMount(showName(prefix));
    opaque ||= prefix !== "" && isOpaque(own, overlay);
  }
  if (opaque && !spellOut) {
    if (lower.length > 0) yield { kind: "opaque", path: prefix.slice(0, -1), dir: upper, name: "" };
    lower = [];
  }
  const names = namesIn(upper);
  const gone = new Set(overlay && !opaque ? [] : missing(lower, names, overlay));
  for (const name of gone.size === 0 ? names : [...names, ...gone].sort()) {
    const path = prefix + name;
    if (gone.has(name)) {
      yield { kind: "deleted", path, dir: upper, name };
      continue;
    }
    const stat = statAt(upper, name);
    // Gone since the directory was read: the tree may be in use.
    if (!stat) continue;
    const below = find(lower, name, overlay);
    try {
      if (overlay && isWhiteoutNode(stat)) {
        if (below) yield { kind: "deleted", path, dir: upper, name };
        continue;
      }
      if (overlay && stat.type === S_IFREG) refuseMetacopy(upper, name, overlay);
      const kind =
        below === undefined ? "added" : isSame(name, { dir: upper, stat }, below) ? "unchanged" : "modified";
      if (kind !== "unchanged" || stat.type === S_IFDIR || stat.links > 1) {
        yield { kind, path, dir: upper, name, stat };
      }
      if (stat.type !== S_IFDIR) continue;
      using directory = openDirectory(upper, name);
      yield* walk(directory, below?.directories ?? [], `${path}/`, options, opaque);
    } finally {
      for (const directory of below?.directories ?? []) directory.close();
    }
  }
}

const isOpaque = (own: ReadonlyMap<ByteName, Uint8Array>, overlay: string): boolean =>
  own.get(`${overlay}.overlay.opaque`)?.[0] === 0x79;

/** What the lower tree has at `name`: merged as overlayfs merges. */
function find(lower: readonly Fd[], name: ByteName, overlay: WalkOptions["overlay"]): Below | undefined {
  let found: Below | undefined;
  for (const dir of lower) {
    const stat = statAt(dir, name);
    if (!stat) continue;
    if (overlay && isWhiteoutNode(stat)) return found;
    if (stat.type !== S_IFDIR) {
      if (found) return found;
      if (overlay && stat.type === S_IFREG) refuseMetacopy(dir, name, overlay);
      return { dir, stat, directories: [] };
    }
    const directory = openDirectory(dir, name);
    found ??= { dir, stat, directories: [] };
    found.directories.push(directory);
    if (!overlay) return found;
    const own = attributes(directory, "");
    if (own.has(`${overlay}.overlay.redirect`)) {
      for (const one of found.directories) one.close();
      throw new NeedsMount(showName(name));
    }
    if (isOpaque(own, overlay)) return found;
  }
  return found;
}

/** Names that the lower tree has and `names` has not. */
function missing(
  lower: readonly Fd[],
  names: readonly ByteName[],
  overlay: WalkOptions["overlay"],
): ByteName[] {
  if (lower.length === 0) return [];
  const have = new Set(names);
  const decided = new Set<ByteName>();
  const gone: ByteName[] = [];
  for (const dir of lower) {
    for (const name of namesIn(dir)) {
      if (have.has(name) || decided.has(name)) continue;
      decided.add(name);
      const stat = overlay ? statAt(dir, name) : undefined;
      if (!stat || !isWhiteoutNode(stat)) gone.push(name);
    }
  }
  return gone;
}

function refuseMetacopy(dir: Fd, name: ByteName, overlay: string): void {
  if (attributes(dir, name).has(`${overlay}.overlay.metacopy`)) throw new NeedsMount(showName(name));
}
