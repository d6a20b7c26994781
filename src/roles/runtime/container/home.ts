// HOME of the container's user, from the container's own /etc/passwd, when config.json names none. As runc does.
import { closeSync, fstatSync, readSync } from "node:fs";
import { O_NONBLOCK, O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { FdLike } from "../../../../ffi/fd.ts";
import { openInRoot } from "../../../../ffi/file.ts";

const LIMIT = 8 << 20;

/** The home directory of a uid below the container's root, "/" when it has none. */
export function homeOf(root: FdLike, uid: number): string {
  let fd: number;
  try {
    fd = openInRoot(root, "/etc/passwd", O_RDONLY | O_NONBLOCK).release();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EXDEV")) return "/";
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    // An image may hold anything at this path.
    if (!stat.isFile()) return "/";
    const bytes = Buffer.alloc(Math.min(stat.size, LIMIT));
    const text = bytes.toString("utf8", 0, readSync(fd, bytes, 0, bytes.length, 0));
    for (const line of text.split("\n")) {
      const fields = line.split(":");
      if (Number(fields[2]) === uid && fields[2] !== "") return fields[5] || "/";
    }
    return "/";
  } finally {
    closeSync(fd);
  }
}

/** The environment with HOME in it. */
export function withHome(env: readonly string[], root: FdLike, uid: number): string[] {
  if (env.some((entry) => entry.startsWith("HOME="))) return [...env];
  return [...env, `HOME=${homeOf(root, uid)}`];
}
