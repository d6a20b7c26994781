// HOME of the container's user, from the container's own /etc/passwd, when config.json names none. As runc does.
import { O_NONBLOCK, O_RDONLY, S_IFREG } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd, FdLike } from "../../../../ffi/fd.ts";
import { openInRoot } from "../../../../ffi/file.ts";
import { readAll } from "../../../../ffi/path.ts";
import { statAt } from "../../../../ffi/tree.ts";

const LIMIT = 8 << 20;

/** The home directory of a uid below the container's root, "/" when it has none. */
export function homeOf(root: FdLike, uid: number): string {
  let file: Fd;
  try {
    file = openInRoot(root, "/etc/passwd", O_RDONLY | O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EXDEV", "ENXIO")) return "/";
    throw error;
  }
  try {
    // An image may hold anything at this path.
    const stat = statAt(file, "");
    if (stat?.type !== S_IFREG || stat.size > LIMIT) return "/";
    for (const line of readAll(file).split("\n")) {
      const fields = line.split(":");
      if (Number(fields[2]) === uid && fields[2] !== "") return fields[5] || "/";
    }
    return "/";
  } finally {
    file.close();
  }
}

/** The environment with HOME in it. */
export function withHome(env: readonly string[], root: FdLike, uid: number): string[] {
  if (env.some((entry) => entry.startsWith("HOME="))) return [...env];
  return [...env, `HOME=${homeOf(root, uid)}`];
}
