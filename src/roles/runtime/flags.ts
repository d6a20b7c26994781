// Command-line flags as runc's callers write them: "--bundle DIR", "--bundle=DIR", "-b DIR", "-bundle DIR"; the first
// word that is no flag ends them, since what follows a container's id may be that container's own command line.

export type FlagKind = "boolean" | "text" | "list";

export interface Flag {
  names: readonly string[];
  kind: FlagKind;
  /** The word for its value in help, and its description. */
  value?: string;
  about: string;
  /** What help shows as the default. */
  fallback?: string | number;
  /** What is wrong with a value, in the words of Go's parser; undefined: nothing. */
  check?: (value: string) => string | undefined;
}

/** A value that is a whole number. */
export const wholeNumber = (value: string) => (/^[+-]?\d+$/.test(value) ? undefined : "parse error");

/** A value that is one of several whole numbers. */
export const wholeNumbers = (value: string) =>
  wholeNumber(value) && `strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`;

export type FlagTable = Readonly<Record<string, Flag>>;

export interface Parsed {
  flags: Readonly<Record<string, string | boolean | string[] | undefined>>;
  rest: string[];
}

/** The command line was wrong: the message, for runc's "Incorrect Usage". */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function parseFlags(table: FlagTable, args: readonly string[]): Parsed {
  const flags: Record<string, string | boolean | string[] | undefined> = {};
  const byName = new Map<string, [string, Flag]>();
  for (const [key, flag] of Object.entries(table))
    for (const name of flag.names) byName.set(name, [key, flag]);
  let i = 0;
  for (; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      i++;
      break;
    }
    if (!arg.startsWith("-") || arg === "-") break;
    const word = arg.slice(arg.startsWith("--") ? 2 : 1);
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    const known = byName.get(name);
    if (!known) throw new UsageError(`flag provided but not defined: -${name}`);
    const [key, flag] = known;
    if (flag.kind === "boolean") {
      const value = equals < 0 ? "true" : word.slice(equals + 1);
      if (!/^(true|false|1|0|t|f)$/i.test(value))
        throw new UsageError(`invalid boolean value ${JSON.stringify(value)} for -${name}`);
      flags[key] = /^(true|1|t)$/i.test(value);
      continue;
    }
    let value: string;
    if (equals >= 0) value = word.slice(equals + 1);
    else {
      const next = args[++i];
      if (next === undefined) throw new UsageError(`flag needs an argument: -${name}`);
      value = next;
    }
    const wrong = flag.check?.(value);
    if (wrong) throw new UsageError(`invalid value ${JSON.stringify(value)} for flag -${name}: ${wrong}`);
    if (flag.kind === "list") flags[key] = [...((flags[key] as string[] | undefined) ?? []), value];
    else flags[key] = value;
  }
  return { flags, rest: args.slice(i) };
}

export const text = (parsed: Parsed, name: string) => parsed.flags[name] as string | undefined;
export const flag = (parsed: Parsed, name: string) => parsed.flags[name] === true;
export const list = (parsed: Parsed, name: string) => (parsed.flags[name] as string[] | undefined) ?? [];

/** The value of a flag that is checked to be a `wholeNumber`. */
export function integer(parsed: Parsed, name: string): number | undefined {
  const value = text(parsed, name);
  return value === undefined ? undefined : Number(value);
}
