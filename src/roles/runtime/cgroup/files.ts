// Reading and writing cgroup files, with errors that say which file and which value.
import { O_TRUNC, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open, write } from "../../../../ffi/file.ts";
import { readText } from "../../../../ffi/path.ts";

const encoder = new TextEncoder();

/** Writes a value in one write(2), as the kernel wants it. */
export function writeControl(directory: string, file: string, value: string): void {
  const path = `${directory}/${file}`;
  let opened: Fd;
  try {
    opened = open(path, O_WRONLY | O_TRUNC);
  } catch (error) {
    throw new Error(`failed to open ${path}: ${(error as Error).message}`, { cause: error });
  }
  try {
    write(opened, encoder.encode(value));
  } catch (error) {
    throw new Error(`failed to write ${JSON.stringify(value)} to ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    opened.close();
  }
}

/**
 * Writes settings in order. CPU quota, period and burst bound each other, so that a new one may be refused beside an old
 * one (EINVAL): what was refused is tried again when the others are in place.
 */
export function inEitherOrder<T>(settings: Iterable<T>, write: (setting: T) => void): void {
  const again: T[] = [];
  for (const setting of settings) {
    try {
      write(setting);
    } catch (error) {
      if (!isErrno((error as Error).cause, "EINVAL")) throw error;
      again.push(setting);
    }
  }
  for (const setting of again) write(setting);
}

/** Content without the trailing newline; undefined when the file or its cgroup is not there. */
export function readControl(directory: string, file: string): string | undefined {
  try {
    return readText(`${directory}/${file}`).trimEnd();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENODEV", "ENOTDIR")) return undefined;
    throw error;
  }
}
