// Figures and labels as ctr prints them.
import type { Labels } from "../../wire/containerd/services.ts";

/** Binary units with one decimal: "2.0 MiB". */
export function binarySize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  for (; bytes >= 1024 && at < units.length - 1; at++) bytes /= 1024;
  return `${bytes.toFixed(1)} ${units[at]}`;
}

/** Decimal units with four figures, Go's %.4g: "2.132MB". */
export function decimalSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let at = 0;
  for (; bytes >= 1000 && at < units.length - 1; at++) bytes /= 1000;
  return `${Number(bytes.toPrecision(4))}${units[at]}`;
}

/** A span as go-units says it: "5 seconds", "About an hour". */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}

/** "a=b,c=d" in order of keys; `none` when there are none. */
export function labelsText(labels: Labels, none = ""): string {
  const pairs = Object.entries(labels).map(([key, value]) => (value === "" ? key : `${key}=${value}`));
  return pairs.length === 0 ? none : pairs.sort().join(",");
}

/** "a=b" words to labels; a word without "=" is a label with the value "true". */
export function labelArgs(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      return at < 0 ? [word, "true"] : [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

/** Go's time.RFC3339 in UTC, without fractions. */
export const rfc3339 = (time: Date): string => time.toISOString().replace(/\.\d+Z$/, "Z");

/** Go's time.Time.String() in UTC. */
export function goTime(time: Date): string {
  const [date, clock] = time.toISOString().slice(0, -1).split("T") as [string, string];
  return `${date} ${clock.replace(/\.?0+$/, (zeros) => (zeros.startsWith(".") ? "" : ""))} +0000 UTC`;
}

/** Go's duration syntax ("24h0m0s", "1.5h", "300ms") in milliseconds. Undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const units: Record<string, number> = {
    ns: 1e-6,
    us: 1e-3,
    µs: 1e-3,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
  };
  if (!/^([\d.]+(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(number) * units[unit!]!;
  }
  return total;
}

/** As Go's json.MarshalIndent(…, "", "    "). */
export const json = (value: unknown): string => `${JSON.stringify(value, null, 4)}\n`;
