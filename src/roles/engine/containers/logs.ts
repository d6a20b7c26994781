// GET /containers/{id}/logs: the json-file log as the client wants it.
import { type LogBatch, readLogBatches } from "../../../store/jsonlog/index.ts";
import { badRequest, notImplemented } from "../errors.ts";
import { FRAME_HEADER, writeFrameHeader } from "../streams/frame.ts";
import type { Container } from "./container.ts";
import { goTime } from "./time.ts";

export interface LogsRequest {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  timestamps: boolean;
  /** Labels and variables that the log options name, before each line. */
  details: boolean;
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

/** `details` of a container: "a=b,c=d", escaped as Go's url.QueryEscape does. moby: daemon/logger/loginfo.go ExtraAttributes */
export function logDetails(container: Container): string {
  const options = container.host.LogConfig.Config;
  const { Labels, Env } = container.record.Config;
  const env = Object.fromEntries(
    (Env ?? []).map((entry) => [entry.split("=", 1)[0]!, entry.replace(/^[^=]*=?/, "")]),
  );
  const found: Record<string, string> = {};
  const take = (
    from: Readonly<Record<string, string>>,
    names: string | undefined,
    pattern: string | undefined,
  ): void => {
    const wanted = new Set(names?.split(",") ?? []);
    const expression = pattern ? new RegExp(pattern) : undefined;
    for (const [name, value] of Object.entries(from)) {
      if (wanted.has(name) || expression?.test(name)) found[name] = value;
    }
  };
  take(Labels ?? {}, options["labels"], options["labels-regex"]);
  take(env, options["env"], options["env-regex"]);
  const queryEscape = (text: string): string => encodeURIComponent(text).replaceAll("%20", "+");
  return Object.keys(found)
    .sort()
    .map((name) => `${queryEscape(name)}=${queryEscape(found[name]!)}`)
    .join(",");
}

/** A batch as it is sent: raw, or a frame a line (clients that read frame by frame show lines). */
function render(batch: LogBatch, raw: boolean, timestamps: boolean, details?: string): Uint8Array {
  if (!timestamps && details === undefined) return batch.pack(raw ? undefined : writeFrameHeader);
  const room = raw ? 0 : FRAME_HEADER;
  const texts = Array.from({ length: batch.count }, (_, i) => batch.text(i));
  const after = details === undefined ? "" : `${details} `;
  const prefixes = texts.map((_, i) =>
    Buffer.from(`${timestamps ? `${fixedTime(batch.time(i))} ` : ""}${after}`),
  );
  const size = texts.reduce((sum, text, i) => sum + room + prefixes[i]!.length + text.length, 0);
  const whole = new Uint8Array(size);
  let at = 0;
  for (const [i, text] of texts.entries()) {
    const prefix = prefixes[i]!;
    if (!raw) writeFrameHeader(whole, at, batch.stream(i), prefix.length + text.length);
    whole.set(prefix, at + room);
    whole.set(text, at + room + prefix.length);
    at += room + prefix.length + text.length;
  }
  return whole;
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
  raw = container.record.Config.Tty,
): Promise<void> {
  const ended = new AbortController();
  const follow = request.follow && container.state.running;
  if (follow) {
    container.state.wait("not-running", signal).then(
      () => ended.abort(),
      () => {},
    );
  }
  const batches = readLogBatches(container.logPath, {
    stdout: request.stdout,
    stderr: request.stderr,
    follow,
    ...(/^\d+$/.test(request.tail) ? { tail: Number(request.tail) } : {}),
    ...(logTime(request.since, "since") ? { since: logTime(request.since, "since")! } : {}),
    ...(logTime(request.until, "until") ? { until: logTime(request.until, "until")! } : {}),
    signal,
    ended: ended.signal,
  });
  const details = request.details ? logDetails(container) : undefined;
  for await (const batch of batches) await write(render(batch, raw, request.timestamps, details));
}
