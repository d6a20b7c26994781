// What a directory tree holds: blocks as the file system counts them, each inode once.
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../../../ffi/errno.ts";

/** st_blocks counts in 512-byte units whatever the file system's block size. man 2 stat. */
const BLOCK = 512;
const TURN = 512;

/** Walks without following symlinks. What disappears meanwhile (the tree may be mounted and in use) is not counted. */
export async function treeUsage(root: string): Promise<{ size: number; inodes: number }> {
  const seen = new Set<string>();
  const stack = [root];
  let size = 0;
  let visited = 0;
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    if (++visited % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    try {
      const stat = lstatSync(path, { bigint: true });
      if (stat.isDirectory()) for (const name of readdirSync(path)) stack.push(join(path, name));
      const inode = `${stat.dev}:${stat.ino}`;
      if (seen.has(inode)) continue;
      seen.add(inode);
      size += Number(stat.blocks) * BLOCK;
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    }
  }
  return { size, inodes: seen.size };
}
