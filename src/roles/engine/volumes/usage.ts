// How much a directory tree takes on disk, as du counts: allocated blocks, hard links once.
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Bytes; what cannot be read counts as nothing. */
export async function diskUsage(root: string): Promise<number> {
  const seen = new Set<string>();
  const visit = async (path: string): Promise<number> => {
    try {
      const stat = await lstat(path);
      const key = `${stat.dev}:${stat.ino}`;
      if (seen.has(key)) return 0;
      if (stat.nlink > 1) seen.add(key);
      let total = stat.blocks * 512;
      if (stat.isDirectory()) {
        for (const name of await readdir(path)) total += await visit(join(path, name));
      }
      return total;
    } catch {
      return 0; // gone meanwhile
    }
  };
  return visit(root);
}
