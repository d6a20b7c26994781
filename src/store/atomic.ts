// Durable whole-file writes: after a crash at any instruction the old content or the new one is there, never a mixture.
// Without node:fs: a shim writes so, and each one would pay half a megabyte for it.
import { AT_FDCWD, O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } from "../../ffi/constants/fcntl.ts";
import { fsync, open, unlinkat, writeAll } from "../../ffi/file.ts";
import { makeDirectories, nameOf, namesAt, parentOf, removeFile, rename } from "../../ffi/path.ts";

let serial = 0;

function temporary(path: string): string {
  return `${parentOf(path)}/.${nameOf(path)}.${process.pid}.${serial++}.tmp`;
}

/** Flushes a directory's entries (renames, creations, unlinks) to disk. */
export function syncDirectory(path: string): void {
  using fd = open(path, O_RDONLY);
  fsync(fd);
}

/**
 * Replaces `path` with `content`: write aside → fsync → rename → fsync directory. Creates missing parent directories.
 * `durable: false` skips the two fsyncs (for files that need not outlive a power cut, e.g. below /run).
 */
export function writeAtomic(
  path: string,
  content: string | Uint8Array,
  options: { mode?: number; durable?: boolean } = {},
): void {
  const { mode = 0o600, durable = true } = options;
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  makeDirectories(parentOf(path), 0o711);
  const aside = temporary(path);
  using fd = open(aside, O_WRONLY | O_CREAT | O_EXCL, mode);
  try {
    writeAll(fd, bytes);
    if (durable) fsync(fd);
    fd.close();
    rename(aside, path);
  } catch (error) {
    try {
      removeFile(aside);
    } catch {}
    throw error;
  }
  if (durable) syncDirectory(parentOf(path));
}

/** Removes what a killed `writeAtomic` left in a directory. Call it before anything writes there. */
export function sweepTemporaries(directory: string): void {
  for (const name of namesAt(directory) ?? []) {
    if (name.startsWith(".") && name.endsWith(".tmp")) unlinkat(AT_FDCWD, `${directory}/${name}`);
  }
}
