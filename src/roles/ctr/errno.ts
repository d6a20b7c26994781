// A system error in the kernel's words, as Go programs put it after the path.
import { isErrno } from "../../../ffi/errno.ts";

/** "no such file or directory" for ENOENT … */
export function textOf(error: unknown): string {
  if (isErrno(error, "ENOENT")) return "no such file or directory";
  if (isErrno(error, "EACCES")) return "permission denied";
  if (isErrno(error, "EISDIR")) return "is a directory";
  if (isErrno(error, "ENOTDIR")) return "not a directory";
  return error instanceof Error ? error.message : String(error);
}
