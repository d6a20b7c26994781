// The progress of a pull in dockerd's words, one JSON object a line.

import type { ProgressLine } from "../../../spec/engine/image.ts";
import { layerCompression } from "../../../spec/oci/image.ts";
import type { TransferProgress } from "../../../wire/containerd/services.ts";

/** Not more than one line for a layer in this time while bytes run. */
const INTERVAL_MS = 100;
const BAR = 50;

/** Decimal units with three significant digits, as docker prints sizes: "1.234MB". */
export function humanSize(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = size;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}

/** "[====>      ]  1.2MB/3.4MB" */
export function bar(current: number, total: number): string {
  if (total <= 0) return humanSize(current).padStart(8);
  const filled = Math.min(Math.floor((current / total) * BAR), BAR);
  const spaces = " ".repeat(Math.max(BAR - filled, 0));
  const numbers = `${humanSize(current).padStart(8)}/${humanSize(total)}`;
  return `[${"=".repeat(filled)}>${spaces}] ${current > total ? humanSize(current).padStart(8) : numbers}`;
}

const STATUS: Partial<Record<TransferProgress["event"], string>> = {
  waiting: "Waiting",
  downloading: "Downloading",
  verifying: "Verifying Checksum",
  downloaded: "Download complete",
  extracting: "Extracting",
  complete: "Pull complete",
  exists: "Already exists",
};

const FINAL: ReadonlySet<TransferProgress["event"]> = new Set(["complete", "exists"]);

/** Turns progress into lines; keeps what a layer has already shown. */
export class PullProgress {
  readonly #seen = new Set<string>();
  readonly #done = new Set<string>();
  readonly #last = new Map<string, { event: string; at: number }>();

  /** The lines for one report; none for blobs that are no layers, and none too soon after the last. */
  lines(progress: TransferProgress, now = performance.now()): ProgressLine[] {
    const { id, event, mediaType } = progress;
    const status = STATUS[event];
    if (id === undefined || status === undefined || this.#done.has(id)) return [];
    if (mediaType !== undefined && layerCompression(mediaType) === undefined) return [];
    const short = id.replace(/^[a-z0-9]+:/, "").slice(0, 12);
    const lines: ProgressLine[] = [];
    if (!this.#seen.has(id)) {
      this.#seen.add(id);
      if (event !== "exists") lines.push({ status: "Pulling fs layer", progressDetail: {}, id: short });
    }
    if (this.#tooSoon(progress, now)) return lines;
    if (FINAL.has(event)) this.#done.add(id);
    const current = progress.progress;
    const total = progress.total;
    if ((event === "downloading" || event === "extracting") && current !== undefined) {
      const detail = total === undefined ? { current } : { current, total };
      lines.push({ status, progressDetail: detail, progress: bar(current, total ?? 0), id: short });
    } else lines.push({ status, progressDetail: {}, id: short });
    return lines;
  }

  #tooSoon({ id, event, progress, total }: TransferProgress, now: number): boolean {
    const last = this.#last.get(id!);
    const same = last?.event === event;
    const running = event === "downloading" || event === "extracting";
    if (same && !running) return true;
    if (same && running && now - last.at < INTERVAL_MS && progress !== total) return true;
    this.#last.set(id!, { event, at: now });
    return false;
  }
}
