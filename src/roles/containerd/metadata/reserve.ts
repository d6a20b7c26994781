// A little room kept back for the day the disk is full: deleting must work then, and in SQLite a deletion is a write too.
import { closeSync, existsSync, fsyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";

/** Enough for the log frames of some deletions. */
const SIZE = 256 << 10;

export class Reserve {
  constructor(private readonly path: string) {}

  /** Lays the reserve by, unless it is there. On a full disk it stays absent until somebody has made room. */
  keep(): void {
    if (statSync(this.path, { throwIfNoEntry: false })?.size === SIZE) return;
    try {
      const fd = openSync(this.path, "w", 0o600);
      try {
        // Written, not punched: a hole reserves nothing.
        const block = Buffer.alloc(SIZE);
        for (let at = 0; at < SIZE; ) at += writeSync(fd, block, at);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    } catch {
      rmSync(this.path, { force: true });
    }
  }

  /** Gives the room away; whether there was any. */
  spend(): boolean {
    if (!existsSync(this.path)) return false;
    rmSync(this.path, { force: true });
    return true;
  }
}
