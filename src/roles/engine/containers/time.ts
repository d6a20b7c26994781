// Times as Docker writes them: RFC 3339 with nanoseconds, Go's zero time, and durations for people.

/** Go's zero time: "never". */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

/** A moment as RFC3339Nano. The clock gives microseconds. */
export function goTime(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const micros = Math.min(999_999, Math.max(0, Math.round((milliseconds - seconds * 1000) * 1000)));
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  const fraction = String(micros).padStart(6, "0").replace(/0+$/, "");
  return fraction === "" ? `${whole}Z` : `${whole}.${fraction}Z`;
}

export function goNow(): string {
  return goTime(performance.timeOrigin + performance.now());
}

/** Milliseconds since the epoch; NaN for Go's zero time. */
export function fromGoTime(text: string): number {
  if (text === "" || text.startsWith("0001-")) return Number.NaN;
  return Date.parse(text);
}

/** go-units HumanDuration: "4 seconds", "About a minute", "3 weeks". */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const exact = milliseconds / 3_600_000;
  const hours = Math.trunc(exact + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(Math.trunc(exact) / 24 / 365)} years`;
}
