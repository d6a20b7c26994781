// The execs of all containers. Finished ones are kept for whoever asks for the exit code, but only so many.
import { notFound } from "../errors.ts";
import type { Exec } from "./exec.ts";

/** Finished execs that are kept; the oldest goes first. */
export const FINISHED_LIMIT = 1000;
/** Execs that were made and never started. */
export const PENDING_LIMIT = 1000;

export class ExecStore {
  readonly #byId = new Map<string, Exec>();
  /** Insertion order is age. */
  readonly #finished = new Set<string>();
  readonly #pending = new Set<string>();

  add(exec: Exec): void {
    this.#byId.set(exec.id, exec);
    this.#pending.add(exec.id);
    this.#trim(this.#pending, PENDING_LIMIT);
  }

  /** ApiError 404 "No such exec instance: X". */
  get(id: string): Exec {
    const exec = this.#byId.get(id);
    if (!exec) throw notFound(`No such exec instance: ${id}`);
    return exec;
  }

  started(exec: Exec): void {
    this.#pending.delete(exec.id);
  }

  finished(exec: Exec): void {
    this.#pending.delete(exec.id);
    if (!this.#byId.has(exec.id)) return;
    this.#finished.add(exec.id);
    this.#trim(this.#finished, FINISHED_LIMIT);
  }

  /** Nobody will ask for it (a health check's). */
  forget(exec: Exec): void {
    this.#byId.delete(exec.id);
    this.#finished.delete(exec.id);
    this.#pending.delete(exec.id);
  }

  #trim(ids: Set<string>, limit: number): void {
    for (const id of ids) {
      if (ids.size <= limit) return;
      ids.delete(id);
      this.#byId.delete(id);
    }
  }

  /** Execs that inspect of the container shows: those not finished; null when there is none, as docker says it. */
  idsOf(containerId: string): string[] | null {
    const ids = [...this.#byId.values()]
      .filter((exec) => exec.container.id === containerId && !this.#finished.has(exec.id))
      .map((exec) => exec.id);
    return ids.length === 0 ? null : ids;
  }

  /** News from containerd: an exec's process has ended. */
  exited(id: string, exitCode: number): void {
    this.#byId.get(id)?.exited(exitCode);
  }

  /** The container's process has ended, and every exec with it. */
  containerEnded(containerId: string): void {
    for (const exec of this.#byId.values()) if (exec.container.id === containerId) exec.containerEnded();
  }

  containerRemoved(containerId: string): void {
    for (const exec of [...this.#byId.values()]) {
      if (exec.container.id !== containerId) continue;
      exec.containerEnded();
      this.#byId.delete(exec.id);
      this.#finished.delete(exec.id);
      this.#pending.delete(exec.id);
    }
  }

  get size(): number {
    return this.#byId.size;
  }
}
