// GET /containers/{id}/logs: the json-file log as the client wants it.
import { type LogLine, readLogBatches } from "../../../store/jsonlog/index.ts";
import { badRequest, notImplemented } from "../errors.ts";
import { frame } from "../streams/frame.ts";
import type { Container } from "./container.ts";
import { goTime } from "./time.ts";

export interface LogsRequest {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  timestamps: boolean;
  /** "all" or a number. */
  tail: string;
  /** Unix time with fraction, or RFC 3339; "" and "0" are none. */
  since: string;
  until: string;
}

/** "1700000000.123456789" or an RFC 3339 time → RFC 3339 in UTC. ApiError 400. */
export function logTime(text: string, name: string): string | undefined {
  if (text === "" || text === "0") return undefined;
  const unix = /^(-?\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (unix) {
    const whole = new Date(Number(unix[1]) * 1000).toISOString().slice(0, 19);
    return unix[2] ? `${whole}.${unix[2].padEnd(9, "0")}Z` : `${whole}Z`;
  }
  const milliseconds = Date.parse(text);
  if (Number.isNaN(milliseconds)) throw badRequest(`invalid value for "${name}": "${text}"`);
  return goTime(milliseconds);
}

/** Docker shows all nine digits, so that columns line up. */
function fixedTime(time: string): string {
  const [, second = time, fraction = ""] = /^(.{19})(?:\.(\d+))?Z?$/.exec(time) ?? [];
  return `${second}.${fraction.padEnd(9, "0")}Z`;
}

function render(lines: readonly LogLine[], raw: boolean, timestamps: boolean): Uint8Array {
  const parts = lines.map(({ stream, time, line }) => {
    const bytes = timestamps ? Buffer.concat([Buffer.from(`${fixedTime(time)} `), line]) : line;
    return raw ? bytes : frame(stream, bytes);
  });
  return Buffer.concat(parts);
}

/** Checks the request. ApiError 400, or 501 for a container without a readable log. */
export function checkLogs(container: Container, request: LogsRequest): void {
  if (!request.stdout && !request.stderr) {
    throw badRequest("Bad parameters: you must choose at least one stream");
  }
  if (!container.logs) throw notImplemented("configured logging driver does not support reading");
  logTime(request.since, "since");
  logTime(request.until, "until");
}

/** Writes the log; with `follow` until the container's run ends, and then what it wrote last. */
export async function writeLogs(
  container: Container,
  request: LogsRequest,
  write: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const raw = container.record.Config.Tty;
  const ended = new AbortController();
  const follow = request.follow && container.state.running;
  if (follow) {
    container.state.wait("not-running", signal).then(
      () => ended.abort(),
      () => {},
    );
  }
  const batches = readLogBatches(container.record.LogPath, {
    stdout: request.stdout,
    stderr: request.stderr,
    follow,
    ...(/^\d+$/.test(request.tail) ? { tail: Number(request.tail) } : {}),
    ...(logTime(request.since, "since") ? { since: logTime(request.since, "since")! } : {}),
    ...(logTime(request.until, "until") ? { until: logTime(request.until, "until")! } : {}),
    signal,
    ended: ended.signal,
  });
  for await (const lines of batches) await write(render(lines, raw, request.timestamps));
}
