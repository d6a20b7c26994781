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

/** The environment with HOME in it, and each name once: the last entry counts, as with runc, where getenv would find the first. */
export function withHome(env: readonly string[], root: FdLike, uid: number): string[] {
  const seen = new Set<string>();
  const kept: string[] = [];
  for (let i = env.length - 1; i >= 0; i--) {
    const entry = env[i]!;
    const equals = entry.indexOf("=");
    const name = equals < 0 ? entry : entry.slice(0, equals);
    if (seen.has(name)) continue;
    seen.add(name);
    kept.push(entry);
  }
  kept.reverse();
  if (!seen.has("HOME")) kept.push(`HOME=${homeOf(root, uid)}`);
  return kept;
}
