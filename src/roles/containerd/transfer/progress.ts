// Progress reports, not more than ten a second for a blob while bytes run.
import type { TransferProgress } from "../../../wire/containerd/services.ts";

const INTERVAL_MS = 100;

/** Events that come with every chunk. */
const RUNNING: ReadonlySet<TransferProgress["event"]> = new Set(["downloading", "extracting", "uploading"]);

export type Report = (progress: TransferProgress) => void;

interface Running {
  event: string;
  at: number;
  /** What was held back, and the timer that tells it: a stalled download must show where it stalled. */
  held?: { progress: TransferProgress; timer: ReturnType<typeof setTimeout> };
}

/** Lets running byte counts through at a bounded rate; all else passes at once. */
export class Throttle {
  readonly #blobs = new Map<string, Running>();

  constructor(private readonly to: Report) {}

  readonly report: Report = (progress) => {
    const { id, event } = progress;
    if (id === undefined || !RUNNING.has(event)) {
      if (id !== undefined) this.#drop(id);
      this.to(progress);
      return;
    }
    const before = this.#blobs.get(id);
    const now = performance.now();
    const wait = before?.event === event ? before.at + INTERVAL_MS - now : 0;
    const whole = progress.progress !== undefined && progress.progress === progress.total;
    if (wait > 0 && !whole) {
      if (before?.held) before.held.progress = progress;
      else if (before) before.held = { progress, timer: setTimeout(() => this.#tell(id), wait) };
      return;
    }
    this.#drop(id);
    this.#blobs.set(id, { event, at: now });
    this.to(progress);
  };

  /** Nothing is reported after this. */
  close(): void {
    for (const id of this.#blobs.keys()) this.#drop(id);
  }

  #tell(id: string): void {
    const held = this.#blobs.get(id)?.held;
    if (!held) return;
    this.#blobs.set(id, { event: held.progress.event, at: performance.now() });
    this.to(held.progress);
  }

  #drop(id: string): void {
    clearTimeout(this.#blobs.get(id)?.held?.timer);
    this.#blobs.delete(id);
  }
}
