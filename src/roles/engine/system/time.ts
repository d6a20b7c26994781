// Times in query parameters: seconds since the epoch with a fraction, RFC 3339, or a duration back from now (moby: daemon/timestamp).
import { badRequest } from "../errors.ts";

const UNIT_NS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

const DURATION = /^-?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/;

/** Go's time.ParseDuration in nanoseconds; undefined for what is none. */
export function parseDuration(text: string): bigint | undefined {
  if (!DURATION.test(text)) return undefined;
  let total = 0n;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    const [whole = "0", fraction = ""] = amount!.split(".");
    const scale = UNIT_NS[unit!]!;
    total += BigInt(whole) * scale;
    if (fraction !== "") total += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
  }
  return text.startsWith("-") ? -total : total;
}

/** → nanoseconds since the epoch. ApiError 400. */
export function parseTime(text: string, now: bigint = BigInt(Date.now()) * 1_000_000n): bigint {
  const seconds = /^(-?\d+)(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (seconds) return BigInt(seconds[1]!) * 1_000_000_000n + BigInt((seconds[2] ?? "").padEnd(9, "0"));
  const duration = parseDuration(text);
  if (duration !== undefined) return now - duration;
  const date = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(\.\d+)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  if (date) {
    const [, day, clock = "00:00:00", fraction = "", zone = ""] = date;
    const full = `${day}T${clock.length === 5 ? `${clock}:00` : clock}${zone || "Z"}`;
    const milliseconds = Date.parse(full);
    if (!Number.isNaN(milliseconds)) {
      return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.slice(1, 10).padEnd(9, "0"));
    }
  }
  throw badRequest(`failed to parse value as time or duration: "${text}"`);
}
