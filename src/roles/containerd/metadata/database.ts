// The one metadata database of a containerd: what every noun's store shares.
import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import { join } from "node:path";
import { log } from "../../../observe/log.ts";
import { backup, openDatabase } from "../../../store/sqlite.ts";
import { type Labels, ServiceError } from "../../../wire/containerd/services.ts";
import { fromDisk } from "../errors.ts";
import { Reserve } from "./reserve.ts";
import { migrations } from "./schema.ts";

/** A change is copied beside the database this much later, so that a damaged file costs seconds of history at the most. */
const BACKUP_DELAY = 5000;

export class Metadata {
  readonly db: Database;
  /** Whether rows may be missing for what is on disk (a damaged database was replaced, or there is none yet). */
  readonly incomplete: boolean;
  readonly #path: string;
  readonly #reserve: Reserve;
  readonly #statements = new Map<string, Statement>();
  #backup: ReturnType<typeof setTimeout> | undefined;

  constructor(root: string) {
    this.#path = join(root, "io.containerd.metadata.v1.sqlite", "meta.db");
    this.#reserve = new Reserve(`${this.#path}.reserve`);
    const opened = openDatabase(this.#path, migrations);
    this.db = opened.db;
    this.#reserve.keep();
    this.incomplete = opened.fresh || opened.damaged !== undefined;
    if (opened.damaged) {
      log("error", "the metadata database was damaged and has been set aside", {
        path: this.#path,
        aside: opened.damaged.aside,
        reason: opened.damaged.reason,
        instead: opened.damaged.restored ? "the last copy of it" : "an empty one",
      });
    }
  }

  #statement(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  all<Row>(sql: string, ...values: SQLQueryBindings[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  get<Row>(sql: string, ...values: SQLQueryBindings[]): Row | undefined {
    return (this.#statement(sql).get(...values) as Row | null) ?? undefined;
  }

  /** One statement that changes something. Outside of `change` it is a transaction of its own. */
  run(sql: string, ...values: SQLQueryBindings[]): { changes: number; id: number } {
    const { changes, lastInsertRowid } = this.#statement(sql).run(...values);
    return { changes, id: Number(lastInsertRowid) };
  }

  /**
   * Runs `work` in one durable transaction: all of it or nothing. A full disk becomes ResourceExhausted; ServiceErrors
   * thrown inside undo the transaction and pass through.
   */
  change<T>(doing: string, work: () => T): T {
    try {
      const result = this.db.transaction(work).immediate();
      this.#reserve.keep();
      return result;
    } catch (error) {
      throw fromDisk(error, doing);
    } finally {
      this.#backup ??= setTimeout(() => this.#copy(), BACKUP_DELAY);
      this.#backup.unref();
    }
  }

  /** As `change`, for work that makes room: on a full disk it gets the reserve. */
  free<T>(doing: string, work: () => T): T {
    try {
      return this.change(doing, work);
    } catch (error) {
      const full = error instanceof ServiceError && error.code === "ResourceExhausted";
      if (!full || !this.#reserve.spend()) throw error;
      return this.change(doing, work);
    }
  }

  #copy(): void {
    this.#backup = undefined;
    try {
      backup(this.db, this.#path);
    } catch (error) {
      log("warning", "the metadata database could not be copied", { path: this.#path, error });
    }
  }

  close(): void {
    if (this.#backup) {
      clearTimeout(this.#backup);
      this.#copy();
    }
    for (const statement of this.#statements.values()) statement.finalize();
    this.db.close();
  }
}

/** A namespace comes to be with the first thing in it, as in containerd. */
export function touchNamespace(meta: Metadata, ns: string): void {
  meta.run("INSERT INTO namespace (name, labels) VALUES (?, '{}') ON CONFLICT DO NOTHING", ns);
}

export const labelsOf = (json: string): Labels => JSON.parse(json) as Labels;
