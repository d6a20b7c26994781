// Go's habits with values that came from JSON: truth, printing, comparison.

export type Value = unknown;

export const isMap = (value: Value): value is Record<string, Value> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof GoTime);

/** A time.Time: JSON's text, and Go's way to print it. */
export class GoTime {
  constructor(readonly text: string) {}

  toJSON(): string {
    return this.text;
  }

  toString(): string {
    const [, day, clock, zone = ""] = /^(\S+)T([\d:.]+)(Z|[+-]\d\d:\d\d)$/.exec(this.text) ?? [];
    if (day === undefined) return this.text;
    const offset = zone.replace(":", "");
    return `${day} ${clock} ${zone === "Z" ? "+0000 UTC" : `${offset} ${offset}`}`;
  }
}

/** Empty values are false. */
export function truth(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isMap(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** fmt's %v. */
export function print(value: Value): string {
  if (value === null || value === undefined) return "<no value>";
  return printInner(value);
}

function printInner(value: Value): string {
  if (value === null || value === undefined) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(printInner).join(" ")}]`;
  if (isMap(value)) {
    const keys = Object.keys(value);
    // A port's binding is a struct to the docker CLI, not a map.
    if (keys.length === 2 && keys[0] === "HostIp" && keys[1] === "HostPort") {
      return `{${value["HostIp"]} ${value["HostPort"]}}`;
    }
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([key, item]) => `${key}:${printInner(item)}`).join(" ")}]`;
  }
  if (typeof value === "number" && !Number.isInteger(value)) return number(value);
  return String(value);
}

function number(value: number): string {
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  return exponent < -4 || exponent >= 21 ? value.toExponential() : String(value);
}

// ES2026; not in TypeScript's library yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** Compact JSON; integers beyond 2^53 keep every digit. */
export function toJson(value: Value, indent?: string): string {
  return JSON.stringify(
    value ?? null,
    (_key, item: unknown) => (typeof item === "bigint" ? rawJSON(item.toString()) : item),
    indent,
  );
}

/** JSON.parse that keeps integers beyond 2^53 as bigints. */
export function fromJson(text: string): Value {
  const parse = JSON.parse as (
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ) => unknown;
  return parse(text, (_key, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context.source ?? "")
      ? BigInt(context.source!)
      : value,
  );
}

/** Go's json.Marshal escapes what HTML would take amiss. */
export const escapeHtml = (json: string): string =>
  json.replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
