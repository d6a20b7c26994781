// Durable whole-file writes: after a crash at any instruction the old content or the new one is there, never a mixture.
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

let serial = 0;

function temporary(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${serial++}.tmp`);
}

/** Flushes a directory's entries (renames, creations, unlinks) to disk. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
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
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  const aside = temporary(path);
  const fd = openSync(aside, "wx", mode);
  try {
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      if (durable) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(aside, path);
  } catch (error) {
    try {
      unlinkSync(aside);
    } catch {}
    throw error;
  }
  if (durable) syncDirectory(dirname(path));
}

/** Removes what a killed `writeAtomic` left in a directory. Call it before anything writes there. */
export function sweepTemporaries(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.startsWith(".") && name.endsWith(".tmp")) unlinkSync(join(directory, name));
  }
}
