// Progress reports, not more than ten a second for a blob while bytes run.
import type { TransferProgress } from "../../../wire/containerd/services.ts";

const INTERVAL_MS = 100;

export type Report = (progress: TransferProgress) => void;

/** A report function that lets running byte counts through at a bounded rate; all else passes. */
export function throttled(report: Report): Report {
  const last = new Map<string, { event: string; at: number }>();
  return (progress) => {
    const { id, event } = progress;
    if (id !== undefined && (event === "downloading" || event === "extracting")) {
      const before = last.get(id);
      const now = performance.now();
      const whole = progress.progress !== undefined && progress.progress === progress.total;
      if (before?.event === event && now - before.at < INTERVAL_MS && !whole) return;
      last.set(id, { event, at: now });
    }
    report(progress);
  };
}
