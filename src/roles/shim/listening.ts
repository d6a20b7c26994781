// Where a shim listens, and where its own words go.
import { AT_FDCWD, O_NONBLOCK, O_RDWR, S_IFIFO } from "../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../ffi/errno.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { fchmodat, open } from "../../../ffi/file.ts";
import { makeDirectories, parentOf, removeFile, statOf } from "../../../ffi/path.ts";
import { answersUnix, listenUnix } from "../../../ffi/socket.ts";

/** A listening socket at `path`; undefined when a living shim already has it. A dead one's is replaced. */
export function listen(path: string): Fd | undefined {
  makeDirectories(parentOf(path), 0o711);
  for (;;) {
    try {
      const fd = listenUnix(path);
      fchmodat(AT_FDCWD, path, 0o600);
      return fd;
    } catch (error) {
      if (!isErrno(error, "EADDRINUSE")) throw error;
      if (answersUnix(path)) return undefined;
      removeFile(path);
    }
  }
}

/** containerd's log FIFO of the bundle, for our stderr. Opened so that nobody's absence blocks or kills. */
export function openLog(bundle: string): Fd | undefined {
  const path = `${bundle}/log`;
  try {
    return statOf(path).type === S_IFIFO ? open(path, O_RDWR | O_NONBLOCK) : undefined;
  } catch {
    return undefined;
  }
}
