// Daemon logs on stderr in logrus's two formats, which log collectors already parse.

export type Level = "debug" | "info" | "warning" | "error" | "fatal";
const RANK: Readonly<Record<Level, number>> = { debug: 0, info: 1, warning: 2, error: 3, fatal: 4 };

let threshold = RANK.info;
let format: "text" | "json" = "text";
let write = (text: string): void => {
  process.stderr.write(text);
};

/** Sets the lowest level that is written, the format, and what writes (process.stderr by default). */
export function configureLog(options: {
  level?: Level;
  format?: "text" | "json";
  write?: (text: string) => void;
}): void {
  if (options.write) write = options.write;
  if (options.level) threshold = RANK[options.level];
  if (options.format) format = options.format;
}

function quote(value: unknown): string {
  const text = value instanceof Error ? value.message : String(value);
  return /^[\w./:@%+-]+$/.test(text) ? text : JSON.stringify(text);
}

/** Writes one line. `fields` come after the message; an Error value is shown by its message. */
export function log(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  if (RANK[level] < threshold) return;
  const time = new Date().toISOString();
  const line =
    format === "json"
      ? JSON.stringify({
          ...Object.fromEntries(
            Object.entries(fields).map(([k, v]) => [k, v instanceof Error ? v.message : v]),
          ),
          level,
          msg: message,
          time,
        })
      : `time=${quote(time)} level=${level} msg=${JSON.stringify(message)}${Object.entries(fields)
          .map(([k, v]) => ` ${k}=${quote(v)}`)
          .join("")}`;
  write(`${line}\n`);
}
