// The progress of a pull: redrawn bars on a terminal, one line a step elsewhere. As docker's jsonmessage prints it.
import { windowSize } from "../../../../ffi/pty.ts";
import type { ProgressLine } from "../../../spec/engine/image.ts";
import { humanSize } from "../format/units.ts";

/** "[====>    ]  1.2MB/3.4MB", or nothing when there is nothing to show. */
export function progressBar(detail: { current?: number; total?: number }, width: number): string {
  const current = detail.current ?? 0;
  const total = detail.total ?? 0;
  if (current <= 0 && total <= 0) return "";
  if (total <= 0) return humanSize(current).padStart(8);
  const done = Math.min(50, Math.trunc(Math.trunc((current / total) * 100) / 2));
  const bar = width > 110 ? `[${"=".repeat(done)}>${" ".repeat(50 - done)}] ` : "";
  const now = humanSize(current).padStart(8);
  return bar + (current > total ? now : `${now}/${humanSize(total)}`);
}

function columns(fd: number): number {
  try {
    return windowSize(fd).columns || 200;
  } catch {
    return 200;
  }
}

/** Prints a progress stream. Throws Error with the engine's words on the error that may come inside it. */
export async function showProgress(
  lines: AsyncIterable<ProgressLine>,
  options: { terminal: boolean; fd: number; print: (text: string) => void },
): Promise<void> {
  const { terminal, print } = options;
  let rows = new Map<string, number>();
  for await (const line of lines) {
    if (line.errorDetail || line.error !== undefined) {
      throw new Error(line.errorDetail?.message ?? line.error);
    }
    // For programs, not for people.
    if (line.aux !== undefined) continue;
    const bar = line.progressDetail && progressBar(line.progressDetail, terminal ? columns(options.fd) : 200);
    let up = 0;
    let text = "";
    if (line.id && line.progressDetail) {
      let row = rows.get(line.id);
      if (row === undefined) {
        row = rows.size;
        rows.set(line.id, row);
        if (terminal) text += "\n";
      }
      up = rows.size - row;
      if (terminal) text += `\x1b[${up}A`;
    } else rows = new Map();
    if (!terminal && bar) continue;
    const head = `${line.id ? `${line.id}: ` : ""}`;
    if (terminal && line.stream === undefined && line.progressDetail) {
      text += `\x1b[2K\r${head}${line.status ?? ""} ${bar ?? ""}\r`;
    } else if (line.stream !== undefined) text += `${head}${line.stream}`;
    else text += `${head}${line.status ?? ""}\n`;
    if (line.id && terminal && up > 0) text += `\x1b[${up}B`;
    print(text);
  }
}
