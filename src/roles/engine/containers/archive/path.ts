// Paths as `docker cp` means them: seen from the container's root, with what a trailing slash or "/." says kept.
import { posix } from "node:path";
import { O_NOFOLLOW } from "../../../../../ffi/arch/index.ts";
import { O_PATH, S_IFLNK } from "../../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../../ffi/errno.ts";
import type { Fd } from "../../../../../ffi/fd.ts";
import { type ByteName, openInside, readLink, statAt } from "../../../../../ffi/tree.ts";
import { badRequest } from "../../errors.ts";

/** The kernel's own limit, MAXSYMLINKS. */
const MAX_LINKS = 40;

/** A path in the container, as it was asked for. */
export interface AskedPath {
  /** Absolute and clean, without a trailing slash ("/" is the root). */
  clean: ByteName;
  /** As docker's PathStat and archives name it: the last part, "." for "…/.", "/" for the root. */
  base: ByteName;
  /** A trailing "/" or "/." says: the directory, also behind a symlink. */
  directory: boolean;
  /** The container by the name that the request has for it, for complaints. */
  container: string;
}

/** Cleans a path as Go's filepath.Join("/", path) does: lexically, before any symlink counts. */
export function askedPath(path: ByteName, container: string): AskedPath {
  if (path === "") throw badRequest("bad parameter: path cannot be empty");
  const clean = posix.normalize(`/${path}`).replace(/(.)\/+$/, "$1");
  const dot = /(^|\/)\.$/.test(path) && clean !== "/";
  return {
    clean,
    base: dot ? "." : clean === "/" ? "/" : posix.basename(clean),
    directory: dot || path.endsWith("/") || clean === "/",
    container,
  };
}

/**
 * Where a path leads once every symlink is followed, as an absolute path of the container. What is missing on the way is taken
 * as it is written. Undefined after too many links.
 */
export function followLinks(root: Fd, path: ByteName): ByteName | undefined {
  const pending = path.split("/");
  const walked: ByteName[] = [];
  let links = 0;
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      walked.pop();
      continue;
    }
    const target = linkAt(root, [...walked, name].join("/"));
    if (target === undefined) {
      walked.push(name);
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    if (target.startsWith("/")) walked.length = 0;
    pending.unshift(...target.split("/"));
  }
  return `/${walked.join("/")}`;
}

/** The target of the symlink there; undefined for anything else, or nothing. */
function linkAt(root: Fd, path: ByteName): ByteName | undefined {
  let found: Fd | undefined;
  try {
    found = openInside(root, path, O_PATH | O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
  if (!found) return undefined;
  using file = found;
  return statAt(file, "")?.type === S_IFLNK ? readLink(file, "") : undefined;
}
