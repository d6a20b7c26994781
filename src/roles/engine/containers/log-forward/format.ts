// A line of output as syslog's daemons expect it. RFC 3164, RFC 5424; moby writes its messages by RackSec/srslog, whose formats these are.
import type { LogLine } from "../../../../store/jsonlog/index.ts";
import type { SyslogFormat } from "./options.ts";

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const ERROR = 3;
const INFO = 6;
const utf8 = new TextDecoder();

export interface Sender {
  hostname: string;
  tag: string;
  pid: number;
  facility: number;
  format: SyslogFormat;
}

export const severity = (stream: LogLine["stream"]): number => (stream === "stderr" ? ERROR : INFO);

/** The line's text without its newline. */
export const textOf = (line: Uint8Array): string =>
  utf8.decode(line.at(-1) === 10 ? line.subarray(0, -1) : line);

const two = (number: number): string => String(number).padStart(2, "0");

/** Go's time.Stamp, in the host's time zone: "Jan _2 15:04:05". */
function stamp(date: Date): string {
  const day = String(date.getDate()).padStart(2, " ");
  return `${MONTHS[date.getMonth()]} ${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The message without an end. The time is that of the line. */
export function syslogMessage(sender: Sender, { stream, time, line }: LogLine): string {
  const { hostname, tag, pid, format } = sender;
  const priority = sender.facility * 8 + severity(stream);
  const text = textOf(line);
  const date = new Date(time);
  switch (format) {
    case "unix":
      return `<${priority}>${stamp(date)} ${tag}[${pid}]: ${text}`;
    case "rfc3164":
      return `<${priority}>${stamp(date)} ${hostname} ${tag}[${pid}]: ${text}`;
    case "rfc5424":
      return `<${priority}>1 ${date.toISOString().slice(0, 19)}Z ${hostname} ${tag} ${pid} ${tag} - ${text}`;
    case "rfc5424micro": {
      const fraction = (/\.(\d+)/.exec(time)?.[1] ?? "").padEnd(6, "0").slice(0, 6);
      return `<${priority}>1 ${date.toISOString().slice(0, 19)}.${fraction}Z ${hostname} ${tag} ${pid} ${tag} - ${text}`;
    }
  }
}

/** journald's native protocol: NAME=value lines, or with a length where the value has newlines of its own. */
export function journalMessage(fields: Readonly<Record<string, string>>): Uint8Array {
  const parts: Uint8Array[] = [];
  const encoder = new TextEncoder();
  for (const [name, value] of Object.entries(fields)) {
    if (!value.includes("\n")) {
      parts.push(encoder.encode(`${name}=${value}\n`));
      continue;
    }
    const bytes = encoder.encode(value);
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(bytes.length), true);
    parts.push(encoder.encode(`${name}\n`), length, bytes, encoder.encode("\n"));
  }
  return Buffer.concat(parts);
}
