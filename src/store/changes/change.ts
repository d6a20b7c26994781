// What leads from one file tree to the next, file by file. image-spec layer.md#change-types
import type { Fd } from "../../../ffi/fd.ts";
import type { ByteName, FileStat } from "../../../ffi/tree.ts";

/**
 * "unchanged" is told too: of a directory, because what is below it may have changed, and of a file with several names,
 * because a new name may be a link to it. "opaque" says that nothing the lower tree had in this directory is left.
 */
export type ChangeKind = "added" | "modified" | "unchanged" | "deleted" | "opaque";

export interface Change {
  kind: ChangeKind;
  /** From the tree's root, without a slash in front. */
  path: ByteName;
  /** The directory of the upper tree that holds (or held) it. Borrowed: valid until the next change. */
  dir: Fd;
  /** Last part of the path. */
  name: ByteName;
  /** Absent for what is deleted or opaque. */
  stat?: FileStat;
}

/** The trees use features of overlayfs that only a mount can show right (redirect_dir, metacopy). */
export class NeedsMount extends Error {
  override readonly name = "NeedsMount";
  constructor(path: string) {
    super(
      `${path}: renamed directories and metadata-only copies of overlayfs can only be read through a mount`,
    );
  }
}
