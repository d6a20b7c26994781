// Small databases that must not lose what they promised: WAL with synchronous=FULL, a schema version, and a way on when the
// file is damaged — it is set aside under a name that says when, and the last good copy (or an empty one) takes its place.
import { Database } from "bun:sqlite";
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { syncDirectory, writeAtomic } from "./atomic.ts";

export interface OpenedDatabase {
  db: Database;
  /** Set when the file could not be used: where it went, why, and whether a copy stepped in. */
  damaged?: { aside: string; reason: string; restored: boolean };
  /** Whether the database has just been made. */
  fresh: boolean;
}

/** A database written by a later version of this program: refused, never set aside. */
export class NewerSchemaError extends Error {
  override readonly name = "NewerSchemaError";
}

/** Result codes (sqlite.org/rescode.html) that say the file itself is bad, not its surroundings (disk full, no permission). */
const DAMAGE = /^SQLITE_(CORRUPT|NOTADB|FORMAT|IOERR_(DATA|CORRUPTFS|SHORT_READ))/;

function isDamage(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return (typeof code === "string" && DAMAGE.test(code)) || error instanceof DamagedError;
}

class DamagedError extends Error {}

/** Where `backup` keeps the copy of a database. */
export const backupPath = (path: string): string => `${path}.backup`;

function tryOpen(path: string, migrations: readonly string[]): { db: Database; fresh: boolean } {
  const db = new Database(path, { create: true, strict: true });
  try {
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
    const check = db.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get();
    if (check && check.quick_check !== "ok") throw new DamagedError(check.quick_check);
    const { user_version: version } = db.query<{ user_version: number }, []>("PRAGMA user_version").get() as {
      user_version: number;
    };
    if (version > migrations.length) {
      throw new NewerSchemaError(
        `${path}: schema version ${version} was written by a newer program (this one knows ${migrations.length})`,
      );
    }
    db.transaction(() => {
      for (const step of migrations.slice(version)) db.exec(step);
      db.exec(`PRAGMA user_version = ${migrations.length}`);
    }).immediate();
    return { db, fresh: version === 0 };
  } catch (error) {
    db.close();
    throw error;
  }
}

const companions = ["", "-wal", "-shm"];

function setAside(path: string): string {
  const stamp = new Date().toISOString().replace(/[-:]/g, "").replace(".", "-");
  const aside = `${path}.damaged-${stamp}`;
  for (const suffix of companions) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  syncDirectory(dirname(path));
  return aside;
}

/**
 * Opens (or makes) the database at `path`. `migrations[n]` takes the schema from version n to n+1, all in one transaction.
 * Throws NewerSchemaError, and SQLite's own errors for what is not damage (SQLITE_FULL, SQLITE_CANTOPEN, SQLITE_BUSY …).
 */
export function openDatabase(path: string, migrations: readonly string[]): OpenedDatabase {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    return tryOpen(path, migrations);
  } catch (error) {
    if (!isDamage(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const aside = setAside(path);
    if (existsSync(backupPath(path))) {
      try {
        copyFileSync(backupPath(path), path);
        return { ...tryOpen(path, migrations), damaged: { aside, reason, restored: true } };
      } catch (again) {
        if (!isDamage(again)) throw again;
        for (const suffix of companions) rmSync(path + suffix, { force: true });
      }
    }
    return { ...tryOpen(path, migrations), damaged: { aside, reason, restored: false } };
  }
}

/** Copies the database beside itself, atomically, for `openDatabase` to fall back on. */
export function backup(db: Database, path: string): void {
  writeAtomic(backupPath(path), db.serialize(), { durable: false });
}
