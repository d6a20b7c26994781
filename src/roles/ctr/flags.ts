// ctr's flags: urfave/cli's grammar — one dash or two, values by "=" or as the next word, and flags end at the first argument.

export interface FlagSpec {
  /** Without dashes. */
  name: string;
  /** Other names, one letter or more. */
  aliases?: readonly string[];
  kind: "boolean" | "string" | "strings" | "number";
  about: string;
  /** Shown in the help; applied by the command. */
  default?: string;
  environment?: string;
}

export class FlagError extends Error {}

/** The values of one command line. */
export class Flags {
  readonly #values = new Map<string, string[]>();

  constructor(
    private readonly specs: readonly FlagSpec[],
    /** The flags before the verb: asked for what is not declared here. */
    private readonly outer?: Flags,
  ) {
    for (const { name, environment } of specs) {
      const value = environment === undefined ? undefined : process.env[environment];
      if (value !== undefined && value !== "") this.#values.set(name, [value]);
    }
  }

  add(spec: FlagSpec, value: string, first: boolean): void {
    const list = first || spec.kind !== "strings" ? [] : (this.#values.get(spec.name) ?? []);
    this.#values.set(spec.name, [...list, value]);
  }

  #of(name: string): { spec: FlagSpec; values: readonly string[] } {
    const spec = this.specs.find((one) => one.name === name);
    if (spec) return { spec, values: this.#values.get(name) ?? [] };
    if (this.outer) return this.outer.#of(name);
    throw new Error(`no flag --${name} was declared`);
  }

  given(name: string): boolean {
    return this.#of(name).values.length > 0;
  }

  boolean(name: string): boolean {
    return this.#of(name).values[0] === "true";
  }

  /** The value, else the flag's default, else "". */
  string(name: string): string {
    const { spec, values } = this.#of(name);
    return values.at(-1) ?? spec.default ?? "";
  }

  strings(name: string): string[] {
    return [...this.#of(name).values];
  }

  number(name: string): number {
    return Number(this.string(name) || "0");
  }
}

export interface Parsed {
  flags: Flags;
  args: string[];
  help: boolean;
}

const isHelp = (word: string) => ["-h", "-help", "--help"].includes(word);

/** Parses up to the first argument that is no flag, or "--". Throws FlagError with urfave's words. */
export function parseFlags(specs: readonly FlagSpec[], argv: readonly string[], outer?: Flags): Parsed {
  const flags = new Flags(specs, outer);
  const seen = new Set<string>();
  let at = 0;
  for (; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === "--") {
      at++;
      break;
    }
    if (!word.startsWith("-") || word === "-") break;
    if (isHelp(word)) return { flags, args: [], help: true };
    const bare = word.replace(/^--?/, "");
    const equals = bare.indexOf("=");
    const name = equals < 0 ? bare : bare.slice(0, equals);
    const spec = specs.find((one) => one.name === name || one.aliases?.includes(name));
    if (!spec) throw new FlagError(`flag provided but not defined: -${name}`);
    let value = equals < 0 ? undefined : bare.slice(equals + 1);
    if (value === undefined) {
      if (spec.kind === "boolean") value = "true";
      else if (at + 1 < argv.length) value = argv[++at]!;
      else throw new FlagError(`flag needs an argument: -${name}`);
    }
    if (spec.kind === "boolean" && value !== "true" && value !== "false") {
      throw new FlagError(`invalid boolean value ${JSON.stringify(value)} for -${name}`);
    }
    if (spec.kind === "number" && !/^-?\d+(\.\d+)?$/.test(value)) {
      throw new FlagError(`invalid value ${JSON.stringify(value)} for flag -${name}: parse error`);
    }
    flags.add(spec, value, !seen.has(spec.name));
    seen.add(spec.name);
  }
  return { flags, args: argv.slice(at), help: false };
}
