// Reading and writing cgroup files, with errors that say which file and which value.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { isErrno } from "../../../../ffi/errno.ts";

/** Writes a value in one write(2), as the kernel wants it. */
export function writeControl(directory: string, file: string, value: string): void {
  const path = `${directory}/${file}`;
  let fd: number;
  try {
    fd = openSync(path, "w");
  } catch (error) {
    throw new Error(`openat2 ${path}: ${(error as Error).message}`, { cause: error });
  }
  try {
    writeSync(fd, value);
  } catch (error) {
    throw new Error(`failed to write ${JSON.stringify(value)} to ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    closeSync(fd);
  }
}

/** Content without the trailing newline; undefined when the file or its cgroup is not there. */
export function readControl(directory: string, file: string): string | undefined {
  try {
    return readFileSync(`${directory}/${file}`, "utf8").trimEnd();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENODEV", "ENOTDIR")) return undefined;
    throw error;
  }
}
