// What a client's stdio path names.
import { O_APPEND, O_CREAT, O_WRONLY, S_IFIFO } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import { statOf } from "../../../../ffi/path.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";

/** Whether a client's path is a FIFO. Throws InvalidArgument when nothing is there. */
export function isFifo(path: string): boolean {
  try {
    return statOf(path).type === S_IFIFO;
  } catch (error) {
    throw new ServiceError("InvalidArgument", `stdio ${path}: ${(error as Error).message}`);
  }
}

/** Opens a regular file to write at its end. */
export function openToAppend(path: string): Fd {
  return open(path, O_WRONLY | O_CREAT | O_APPEND, 0o644);
}
