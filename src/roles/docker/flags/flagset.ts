// Command-line flags with pflag's grammar and words. Own, and not yargs, for two reasons: yargs' parser does not know pflag's rules
// (`-itp80:80`, `--rm=false`, stop at the first word that is no flag, errors that scripts match), and its import alone costs more
// than the rest of the client's start.
import {
  parseBool,
  parseBytes,
  parseCpus,
  parseDuration,
  parseInt64,
  parseSwapBytes,
  parseUint,
} from "./values.ts";

type Kind =
  | "bool"
  | "string"
  | "int"
  | "uint"
  | "uint16"
  | "bytes"
  | "swap"
  | "duration"
  | "decimal"
  /** May be given again; each value as it is. */
  | "list"
  /** May be given again; each value is split at commas. */
  | "strings";

export type FlagValue = boolean | string | number | readonly string[];

export interface Flag {
  name: string;
  short?: string;
  kind: Kind;
  /** For the help text: what the value is called, when not the kind's own name. */
  shows?: string;
  usage: string;
  /** Shown in the help text as "(default …)", and the value when not given. */
  default?: FlagValue;
  /** Not in the help text. */
  hidden?: boolean;
  /** Checks or rewrites one value of a list or string. Throws Error. */
  check?: (value: string) => string;
  /** Another spelling of this flag. */
  aliasOf?: string;
  /** Printed on stderr when the flag is used. */
  deprecated?: string;
}

/** A command line that does not fit. Exit 125. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

/** --help was asked for. */
export class HelpWanted extends Error {
  override readonly name = "HelpWanted";
}

const ZERO: Readonly<Record<Kind, FlagValue>> = {
  bool: false,
  string: "",
  int: 0,
  uint: 0,
  uint16: 0,
  bytes: 0,
  swap: 0,
  duration: 0,
  decimal: 0,
  list: [],
  strings: [],
};

function read(flag: Flag, text: string, before: FlagValue | undefined): FlagValue {
  const list = () => (Array.isArray(before) ? (before as readonly string[]) : []);
  const check = flag.check ?? ((value: string) => value);
  switch (flag.kind) {
    case "bool":
      return parseBool(text);
    case "string":
      return check(text);
    case "int":
      return parseInt64(text);
    case "uint":
      return parseUint(text, 64);
    case "uint16":
      return parseUint(text, 16);
    case "bytes":
      return parseBytes(text);
    case "swap":
      return parseSwapBytes(text);
    case "duration":
      return parseDuration(text);
    case "decimal":
      return parseCpus(text);
    case "list":
      return [...list(), check(text)];
    case "strings":
      return [...list(), ...text.split(",").map(check)];
  }
}

/** The values of one command line. Asking for a flag that the command does not have is a mistake of ours and throws. */
export class Flags {
  readonly #given = new Map<string, FlagValue>();
  readonly #known: ReadonlyMap<string, Flag>;

  constructor(flags: readonly Flag[]) {
    this.#known = new Map(flags.map((flag) => [flag.name, flag]));
  }

  /** Sets one value as its flag reads it. Throws FlagError. */
  set(flag: Flag, text: string): void {
    try {
      this.#given.set(flag.name, read(flag, text, this.#given.get(flag.name)));
    } catch (error) {
      const label = flag.short ? `-${flag.short}, --${flag.name}` : `--${flag.name}`;
      throw new FlagError(
        `invalid argument ${JSON.stringify(text)} for "${label}" flag: ${(error as Error).message}`,
      );
    }
  }

  /** Whether the command has such a flag at all. */
  has(name: string): boolean {
    return this.#known.has(name);
  }

  changed(name: string): boolean {
    this.#flag(name);
    return this.#given.has(name);
  }

  bool(name: string): boolean {
    return this.#value(name) === true;
  }

  string(name: string): string {
    return String(this.#value(name));
  }

  number(name: string): number {
    return Number(this.#value(name));
  }

  list(name: string): readonly string[] {
    const value = this.#value(name);
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }

  #flag(name: string): Flag {
    const flag = this.#known.get(name);
    if (!flag) throw new Error(`no flag --${name} in this command`);
    return flag;
  }

  #value(name: string): FlagValue {
    const flag = this.#flag(name);
    return this.#given.get(name) ?? flag.default ?? ZERO[flag.kind];
  }
}

export interface Parsed {
  flags: Flags;
  args: string[];
}

/**
 * Parses `argv` by `table`. With `interspersed` false everything from the first non-flag on is an argument.
 * Throws FlagError or HelpWanted.
 */
export function parseFlags(table: readonly Flag[], argv: readonly string[], interspersed: boolean): Parsed {
  const flags = new Flags(table);
  const args: string[] = [];
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      args.push(...rest);
      break;
    }
    if (word.length < 2 || !word.startsWith("-")) {
      args.push(word);
      if (!interspersed) {
        args.push(...rest);
        break;
      }
    } else if (word.startsWith("--")) {
      long(table, flags, word, rest);
    } else {
      shorthands(table, flags, word, rest);
    }
  }
  return { flags, args };
}

function long(table: readonly Flag[], flags: Flags, word: string, rest: string[]): void {
  const equals = word.indexOf("=");
  const name = word.slice(2, equals < 0 ? undefined : equals);
  if (name === "" || name.startsWith("-")) throw new FlagError(`bad flag syntax: ${word}`);
  if (name === "help") throw new HelpWanted();
  const flag = canonical(
    table,
    table.find((one) => one.name === name),
  );
  if (!flag) {
    throw new FlagError(`unknown flag: --${name}`);
  }
  if (equals >= 0) flags.set(flag, word.slice(equals + 1));
  else if (flag.kind === "bool") flags.set(flag, "true");
  else {
    const value = rest.shift();
    if (value === undefined) throw new FlagError(`flag needs an argument: --${name}`);
    flags.set(flag, value);
  }
}

function canonical(table: readonly Flag[], flag: Flag | undefined): Flag | undefined {
  return flag?.aliasOf === undefined ? flag : table.find((one) => one.name === flag.aliasOf);
}

function shorthands(table: readonly Flag[], flags: Flags, word: string, rest: string[]): void {
  for (let letters = word.slice(1); letters !== ""; ) {
    const letter = letters[0]!;
    const after = letters.slice(1);
    const flag = table.find((one) => one.short === letter);
    if (!flag) {
      if (letter === "h") throw new HelpWanted();
      throw new FlagError(`unknown shorthand flag: '${letter}' in -${letters}`);
    }
    if (after.length > 1 && after[0] === "=") {
      flags.set(flag, after.slice(1));
      return;
    }
    if (flag.kind === "bool") {
      flags.set(flag, "true");
      letters = after;
      continue;
    }
    if (after !== "") {
      flags.set(flag, after);
      return;
    }
    const value = rest.shift();
    if (value === undefined) throw new FlagError(`flag needs an argument: '${letter}' in -${letters}`);
    flags.set(flag, value);
    return;
  }
}
