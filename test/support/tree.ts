// Where two unpacked trees differ: all that an image says about its files.
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { O_DIRECTORY, O_NOFOLLOW } from "../../ffi/arch/index.ts";
import { AT_FDCWD, O_RDONLY } from "../../ffi/constants/fcntl.ts";
import { openName, showName, toByteName } from "../../ffi/tree.ts";
import { Describer, type Description, type Visit, walk } from "../../src/store/tree/walk.ts";

/** Path below the root → what is there. Whiteouts are the 0/0 devices and attributes that overlayfs makes of them. */
export type Tree = ReadonlyMap<string, Description & { content?: string }>;

function contentOf({ dir, name }: Visit): string {
  using opened = openName(dir, name, O_RDONLY | O_NOFOLLOW);
  const fd = openSync(`/proc/self/fd/${opened.number}`, "r");
  try {
    const hash = createHash("sha256");
    const chunk = new Uint8Array(1 << 20);
    for (let got = readSync(fd, chunk); got > 0; got = readSync(fd, chunk))
      hash.update(chunk.subarray(0, got));
    return hash.digest("hex").slice(0, 16);
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads a whole tree. Times after `since` (milliseconds) count as the moment of unpacking, which nobody else's tree can have: of a
 * directory that the archive does not name, or a whiteout.
 */
export function readTree(root: string, options: { since?: number } = {}): Tree {
  const { since = Number.POSITIVE_INFINITY } = options;
  const tree = new Map<string, Description & { content?: string }>();
  const describer = new Describer();
  using top = openName(AT_FDCWD, toByteName(root), O_RDONLY | O_DIRECTORY);
  for (const visit of walk(top)) {
    const says = describer.describe(visit);
    if (visit.stat.mtime.seconds * 1000 > since) says.mtime = "now";
    tree.set(showName(visit.path), says.kind === "file" ? { ...says, content: contentOf(visit) } : says);
  }
  return tree;
}

/** Every difference as a line: `etc/passwd: mode 644, expected 600`. */
export function differences(found: Tree, expected: Tree): string[] {
  const lines: string[] = [];
  for (const [path, wanted] of expected) {
    const got = found.get(path);
    if (!got) {
      lines.push(`${path}: missing (${wanted.kind})`);
      continue;
    }
    for (const key of new Set([...Object.keys(wanted), ...Object.keys(got)]) as Set<keyof typeof got>) {
      if (!Bun.deepEquals(got[key], wanted[key]))
        lines.push(`${path}: ${key} ${JSON.stringify(got[key])}, expected ${JSON.stringify(wanted[key])}`);
    }
  }
  for (const [path, got] of found) if (!expected.has(path)) lines.push(`${path}: not expected (${got.kind})`);
  return lines;
}
