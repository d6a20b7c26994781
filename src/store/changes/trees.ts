// The changes between what two snapshots show, from the mounts that a snapshotter hands out.

import { O_DIRECTORY } from "../../../ffi/arch/index.ts";
import { O_RDONLY } from "../../../ffi/constants/fcntl.ts";
import { overlayView } from "../../../ffi/detached-mount.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { openName, toByteName } from "../../../ffi/tree.ts";
import { type Change, NeedsMount } from "./change.ts";
import { walkChanges } from "./walk.ts";

/** One mount, as fstab(5) has it. */
export interface TreeMount {
  type: string;
  source: string;
  options: readonly string[];
}

/** A snapshot's directories, topmost first; none for the empty tree. */
export interface Layers {
  directories: string[];
  /** The namespace of overlayfs's attributes in them; absent for a plain directory. */
  overlay?: "trusted" | "user";
}

/** Mounts whose files cannot be reached without mounting them. */
export class UnreadableMount extends Error {
  override readonly name = "UnreadableMount";
}

/** "/a:/b\:c" → ["/a", "/b:c"]. kernel Documentation/filesystems/overlayfs.rst, "Multiple lower layers" */
export function splitLower(value: string): string[] {
  return [...value.matchAll(/(?:\\.|[^:\\])+/g)].map(([path]) => path.replace(/\\(.)/g, "$1"));
}

/** The value of a mount option "name=value". */
export const mountOption = (options: readonly string[], name: string): string | undefined =>
  options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);

/** Whether it is a bind mount. */
export const isBind = ({ type, options }: TreeMount): boolean =>
  type === "bind" || options.includes("bind") || options.includes("rbind");

/** The directories behind a snapshot's mounts. Throws UnreadableMount for what is neither an overlay nor a bind mount. */
export function layersOf(mounts: readonly TreeMount[]): Layers {
  const [mount] = mounts;
  if (!mount) return { directories: [] };
  if (mounts.length > 1) throw new UnreadableMount(`${mounts.length} mounts given, only one is supported`);
  if (mount.type === "overlay") {
    const upper = mountOption(mount.options, "upperdir");
    const lower = splitLower(mountOption(mount.options, "lowerdir") ?? "");
    return {
      directories: upper === undefined ? lower : [upper, ...lower],
      overlay: mount.options.includes("userxattr") ? "user" : "trusted",
    };
  }
  if (isBind(mount)) return { directories: [mount.source] };
  throw new UnreadableMount(`mounts of type ${JSON.stringify(mount.type)} are not supported`);
}

export interface TreeOptions {
  /** Tell each name that an opaque directory hides, in place of one "opaque". */
  spellOut?: boolean;
  signal?: AbortSignal;
}

/**
 * What leads from the tree of `lower` to that of `upper`: read off the upper directory where one lies on the other, else by
 * comparing both trees. Nothing is mounted, unless `mounted` asks for it (after NeedsMount), and then out of sight.
 * Throws NeedsMount in the midst, UnreadableMount, SyscallError.
 */
export function* changesBetween(
  lower: readonly TreeMount[],
  upper: readonly TreeMount[],
  options: TreeOptions & { mounted?: boolean } = {},
): Generator<Change, void, undefined> {
  const [below, above] = [layersOf(lower), layersOf(upper)];
  const { mounted = false, ...rest } = options;
  const stacked = above.overlay !== undefined && liesOn(above.directories, below.directories);
  const opened: Fd[] = [];
  const opens = (fd: Fd): Fd => {
    opened.push(fd);
    return fd;
  };
  try {
    if (stacked && !mounted) {
      const [top, ...under] = above.directories.map((path) => opens(directory(path)));
      yield* walkChanges(top!, under, { ...rest, overlay: above.overlay! });
      return;
    }
    const [from, to] = [below, above].map((tree) => tree.directories.length > 0 && opens(whole(tree)));
    if (!to) throw new UnreadableMount("no mounts given for the upper tree");
    yield* walkChanges(to, from ? [from] : [], rest);
  } finally {
    for (const fd of opened) fd.close();
  }
}

/** `work` with the changes; once more over real mounts when the trees turn out to need it. */
export async function withChanges<T>(
  lower: readonly TreeMount[],
  upper: readonly TreeMount[],
  options: TreeOptions,
  work: (changes: Iterable<Change>) => Promise<T>,
): Promise<T> {
  try {
    return await work(changesBetween(lower, upper, options));
  } catch (error) {
    if (!(error instanceof NeedsMount)) throw error;
  }
  return await work(changesBetween(lower, upper, { ...options, mounted: true }));
}

function liesOn(above: readonly string[], below: readonly string[]): boolean {
  return above.length === below.length + 1 && below.every((path, i) => path === above[i + 1]);
}

const directory = (path: string): Fd => openName(-100, toByteName(path), O_RDONLY | O_DIRECTORY);

/** The whole tree as one directory. */
function whole({ directories, overlay }: Layers): Fd {
  if (directories.length === 1) return directory(directories[0]!);
  if (overlay === "user") {
    throw new UnreadableMount(
      "an overlay with userxattr and several layers must be compared with its own lower layers",
    );
  }
  // A mount's descriptor is an O_PATH one, which cannot be read from.
  using mount = overlayView(directories);
  return openName(mount, ".", O_RDONLY | O_DIRECTORY);
}
