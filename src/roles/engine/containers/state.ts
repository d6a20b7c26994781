// What a container is doing, and who waits for it to change. All changes go through here; each leaves a state that inspect may show.
import type { ContainerState, ContainerStatus, Health } from "../../../spec/engine/container.ts";
import { fromGoTime, goNow, humanDuration, ZERO_TIME } from "./time.ts";

/** The state as config.v2.json keeps it; field names are docker's. */
export interface StoredState {
  Running: boolean;
  Paused: boolean;
  Restarting: boolean;
  OOMKilled: boolean;
  RemovalInProgress: boolean;
  Dead: boolean;
  Pid: number;
  ExitCode: number;
  Error: string;
  StartedAt: string;
  FinishedAt: string;
  Health?: Health | null;
}

export type WaitCondition = "not-running" | "next-exit" | "removed";

export interface ExitInfo {
  exitCode: number;
  exitedAt: string;
  oomKilled?: boolean;
}

export interface WaitResult {
  exitCode: number;
  error: string;
}

export const initialState = (): StoredState => ({
  Running: false,
  Paused: false,
  Restarting: false,
  OOMKilled: false,
  RemovalInProgress: false,
  Dead: false,
  Pid: 0,
  ExitCode: 0,
  Error: "",
  StartedAt: ZERO_TIME,
  FinishedAt: ZERO_TIME,
});

interface Waiter {
  condition: "stopped" | "removed";
  resolve(result: WaitResult): void;
}

export class State {
  readonly #waiters = new Set<Waiter>();
  #removed = false;

  constructor(readonly stored: StoredState = initialState()) {}

  /** Running in docker's sense: a container that waits for its next restart counts as running. */
  get running(): boolean {
    return this.stored.Running;
  }

  get paused(): boolean {
    return this.stored.Paused;
  }

  get restarting(): boolean {
    return this.stored.Restarting;
  }

  get status(): ContainerStatus {
    const { stored } = this;
    if (stored.Running) {
      if (stored.Paused) return "paused";
      return stored.Restarting ? "restarting" : "running";
    }
    if (stored.RemovalInProgress) return "removing";
    if (stored.Dead) return "dead";
    return Number.isNaN(fromGoTime(stored.StartedAt)) ? "created" : "exited";
  }

  /** "Up 3 seconds", "Exited (0) 2 minutes ago" … */
  statusText(now = Date.now()): string {
    const { stored } = this;
    const since = (moment: string): string => humanDuration(now - fromGoTime(moment));
    if (stored.Running) {
      if (stored.Paused) return `Up ${since(stored.StartedAt)} (Paused)`;
      if (stored.Restarting) return `Restarting (${stored.ExitCode}) ${since(stored.FinishedAt)} ago`;
      const health = stored.Health ? stored.Health.Status : "none";
      if (health === "none") return `Up ${since(stored.StartedAt)}`;
      return `Up ${since(stored.StartedAt)} (${health === "starting" ? "health: starting" : health})`;
    }
    if (stored.RemovalInProgress) return "Removal In Progress";
    if (stored.Dead) return "Dead";
    if (Number.isNaN(fromGoTime(stored.StartedAt))) return "Created";
    if (Number.isNaN(fromGoTime(stored.FinishedAt))) return "";
    return `Exited (${stored.ExitCode}) ${since(stored.FinishedAt)} ago`;
  }

  /** As inspect shows it. */
  inspect(): ContainerState {
    const { RemovalInProgress: _removal, Health: health, ...shown } = this.stored;
    return { Status: this.status, ...shown, ...(health ? { Health: health } : {}) };
  }

  setRunning(pid: number, startedAt = goNow()): void {
    Object.assign(this.stored, {
      Running: true,
      Paused: false,
      Restarting: false,
      OOMKilled: false,
      Error: "",
      Pid: pid,
      ExitCode: 0,
      StartedAt: startedAt,
    });
  }

  setStopped(exit: ExitInfo): void {
    this.#leave(exit);
    Object.assign(this.stored, { Running: false, Restarting: false });
    this.#wake("stopped");
  }

  /** Exited, and to be started again: still "running" for docker, without a process. */
  setRestarting(exit: ExitInfo): void {
    this.#leave(exit);
    Object.assign(this.stored, { Running: true, Restarting: true });
    this.#wake("stopped");
  }

  /** A start that failed: no process ever ran. */
  setFailed(error: string, exitCode: number): void {
    Object.assign(this.stored, {
      Running: false,
      Paused: false,
      Restarting: false,
      Pid: 0,
      ExitCode: exitCode,
      Error: error,
    });
    this.#wake("stopped");
  }

  setRemoved(): void {
    this.#removed = true;
    this.#wake("stopped");
    this.#wake("removed");
  }

  /** Resolves when the condition holds; rejects with the signal's reason. */
  wait(condition: WaitCondition, signal?: AbortSignal): Promise<WaitResult> {
    if (this.#removed || (condition === "not-running" && !this.stored.Running)) {
      return Promise.resolve(this.#result());
    }
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        condition: condition === "removed" ? "removed" : "stopped",
        resolve: (result) => {
          signal?.removeEventListener("abort", abort);
          resolve(result);
        },
      };
      const abort = (): void => {
        this.#waiters.delete(waiter);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  #leave(exit: ExitInfo): void {
    Object.assign(this.stored, {
      Paused: false,
      Pid: 0,
      ExitCode: exit.exitCode,
      FinishedAt: exit.exitedAt,
      OOMKilled: exit.oomKilled ?? this.stored.OOMKilled,
    });
  }

  #result(): WaitResult {
    return { exitCode: this.stored.ExitCode, error: this.stored.Error };
  }

  #wake(condition: "stopped" | "removed"): void {
    for (const waiter of [...this.#waiters]) {
      if (waiter.condition !== condition) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(this.#result());
    }
  }
}
