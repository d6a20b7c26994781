// One member of a tar archive, as the reader gives it and the writer takes it.
import type { ByteName, FileTime } from "../../../ffi/tree.ts";

export type EntryType = "file" | "link" | "symlink" | "char" | "block" | "directory" | "fifo";

export interface TarEntry {
  /** As written in the archive. One character a byte, as are the other names here. */
  name: ByteName;
  type: EntryType;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Size of the file once unpacked. 0 for all other types. */
  size: number;
  mtime: FileTime;
  atime?: FileTime;
  /** Target of a hard link or a symlink. */
  linkName: ByteName;
  devMajor: number;
  devMinor: number;
  /** Extended attributes (pax SCHILY.xattr.*): their values are bytes. */
  attributes: Map<ByteName, Uint8Array>;
  /** Where a sparse file has data: the archive holds these pieces one after another, the rest is a hole. */
  pieces?: readonly SparsePiece[];
}

export interface SparsePiece {
  offset: number;
  size: number;
}

/** An archive that is no tar, or a damaged one, or one that reaches for what is not its own. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}
