// --preserve-fds: the caller's descriptors that the container gets. CVE-2024-21626 came of handing on what the runtime itself had open.
import { isErrno } from "../../../../ffi/errno.ts";
import { linkText, readText } from "../../../../ffi/path.ts";
import { RuntimeError } from "../errors.ts";

const FIRST = 3;

/**
 * `count`, when each of that many descriptors beyond stdio is the caller's. To be asked before this process opens anything.
 * Throws RuntimeError in runc's words.
 */
export function preservedFds(count: number): number {
  const own = engineDescriptors(FIRST + count);
  for (let i = 0; i < count; i++)
    if (own.has(FIRST + i) || openAs(FIRST + i) === undefined)
      throw new RuntimeError(
        `unable to stat preserved-fd ${i} (of ${count}): stat /proc/self/fd/${FIRST + i}: no such file or directory`,
      );
  return count;
}

/** Those of the JavaScript engine below `end`: it takes the lowest free ones for its event loop and what that one watches. man 5 proc */
function engineDescriptors(end: number): Set<number> {
  const own = new Set<number>();
  for (let fd = FIRST; fd < end; fd++) {
    if (openAs(fd) !== "anon_inode:[eventpoll]") continue;
    own.add(fd);
    for (const [, watched] of readText(`/proc/self/fdinfo/${fd}`).matchAll(/^tfd:\s*(\d+)/gm))
      own.add(Number(watched));
  }
  return own;
}

/** What a descriptor of this process refers to; undefined when it is not open. */
function openAs(fd: number): string | undefined {
  try {
    return linkText(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
