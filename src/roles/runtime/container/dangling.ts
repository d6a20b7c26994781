// Mountpoints behind links that lead nowhere yet (`/var/run` → `/run` in an image without /run): the link's target is made
// inside the root, as runc does. The plan itself makes only plain paths.

import { NR } from "../../../../ffi/arch/index.ts";
import { O_DIRECTORY, O_PATH, S_IFREG } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { mkdirat, mknodat, openInRoot } from "../../../../ffi/file.ts";
import { cstr, rawSyscall } from "../../../../ffi/libc.ts";

/** As many as the kernel follows. man 7 path_resolution */
const MAX_LINKS = 40;

/**
 * Makes what is missing of a path below `root`, once a link was followed on the way; without one it makes nothing.
 * The last name becomes a directory, or an empty file.
 */
export function makeLinkTargets(root: Fd, path: string, kind: "directory" | "file"): void {
  const todo = path.split("/");
  const done: string[] = [];
  let links = 0;
  while (todo.length > 0) {
    const name = todo.shift()!;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      done.pop();
      continue;
    }
    using parent = openInRoot(root, done.join("/") || ".", O_PATH | O_DIRECTORY);
    const target = linkTarget(parent, name);
    if (target !== undefined) {
      if (++links > MAX_LINKS) throw new Error(`too many links in ${path}`);
      if (target.startsWith("/")) done.length = 0;
      todo.unshift(...target.split("/"));
      continue;
    }
    if (links > 0 && todo.length === 0 && kind === "file") makeFile(parent, name);
    else if (links > 0) makeDirectory(parent, name);
    else if (!isThere(parent, name)) return;
    done.push(name);
  }
}

function linkTarget(parent: Fd, name: string): string | undefined {
  const bytes = new Uint8Array(4096);
  const length = rawSyscall(NR.readlinkat, parent.number, cstr(name), bytes, bytes.length);
  return length < 0 ? undefined : new TextDecoder().decode(bytes.subarray(0, length));
}

function isThere(parent: Fd, name: string): boolean {
  return rawSyscall(NR.faccessat, parent.number, cstr(name), 0) === 0;
}

function makeFile(parent: Fd, name: string): void {
  try {
    mknodat(parent, name, S_IFREG | 0o644);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

function makeDirectory(parent: Fd, name: string): void {
  try {
    mkdirat(parent, name, 0o755);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}
