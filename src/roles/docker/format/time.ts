// Times as people give them (--since, --until) and as the engine wants them: seconds and nanoseconds since the epoch.
import { parseDuration } from "../flags/values.ts";

const FORMS = [
  /^(\d{4})-(\d{2})-(\d{2})$/,
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2})(?::(\d{2}))?(?::(\d{2})(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?$/,
];

function local(text: string): string | undefined {
  for (const form of FORMS) {
    const match = form.exec(text);
    if (!match) continue;
    const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = match;
    // Without a zone it is our own.
    const milliseconds = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`);
    if (Number.isNaN(milliseconds)) return undefined;
    return `${Math.floor(milliseconds / 1000)}.${fraction.slice(1).padEnd(9, "0").slice(0, 9)}`;
  }
  return undefined;
}

/** "42m", "2013-01-02T13:23:37Z", "1357132800.5" → "seconds.nanoseconds". Throws with docker's words. */
export function timestamp(text: string, now = Date.now()): string {
  try {
    // Whole seconds, as the docker CLI sends: "10s" ago is no exact moment.
    return String(Math.floor((now - parseDuration(text) / 1e6) / 1000));
  } catch {
    // Not a duration.
  }
  const absolute = local(text);
  if (absolute !== undefined) return absolute;
  if (/^-?\d+(\.\d+)?$/.test(text)) return text;
  throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
}
