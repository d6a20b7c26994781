// Quotes, escapes and $variables in a Dockerfile's words: a POSIX shell's rules, without globs and without commands.
// docs.docker.com/reference/dockerfile "Environment replacement".
import { DockerfileError } from "./error.ts";

export type Lookup = (name: string) => string | undefined;

/** "NAME=value" entries → a lookup; of several entries for one name the first counts, as in a process's environment. */
export function lookupIn(entries: readonly string[]): Lookup {
  const map = new Map<string, string>();
  for (const entry of entries) {
    const at = entry.indexOf("=");
    const name = at < 0 ? entry : entry.slice(0, at);
    if (!map.has(name)) map.set(name, at < 0 ? "" : entry.slice(at + 1));
  }
  return (name) => map.get(name);
}

const SPECIAL = "@*#?-$!0";

/** A glob of ${x#pattern} as a regular expression's source. */
function globSource(pattern: string, greedy: boolean): string {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === "*") source += greedy ? ".*" : ".*?";
    else if (char === "?") source += ".";
    else {
      const literal = char === "\\" && i + 1 < pattern.length ? pattern[++i]! : char;
      source += literal.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    }
  }
  return source;
}

class Expansion {
  #at = 0;
  readonly words: string[] = [];
  #word = "";
  #inWord = false;

  constructor(
    private readonly text: string,
    private readonly lookup: Lookup,
    private readonly escapeChar: string,
  ) {}

  /** Reads up to `stop` (which is taken) or to the end. `rawEscapes` keeps escape characters, for patterns. */
  read(stop = "", rawEscapes = false): string {
    let out = "";
    const add = (piece: string): void => {
      out += piece;
      this.#word += piece;
      this.#inWord = true;
    };
    while (this.#at < this.text.length) {
      const char = this.text[this.#at]!;
      if (char === stop) {
        this.#at++;
        return out;
      }
      if (char === "'") add(this.#single());
      else if (char === '"') add(this.#double());
      else if (char === "$") {
        const value = this.#dollar();
        out += value;
        this.#addUnquoted(value);
      } else if (char === this.escapeChar) {
        this.#at++;
        if (rawEscapes) add(this.escapeChar);
        const next = this.text[this.#at];
        if (next === undefined) break;
        this.#at++;
        add(next);
      } else {
        this.#at++;
        if (/\s/.test(char)) {
          out += char;
          this.#endWord();
        } else add(char);
      }
    }
    if (stop !== "") {
      throw new DockerfileError(
        stop === "}"
          ? "syntax error: missing '}'"
          : `unexpected end of statement while looking for matching ${stop}`,
      );
    }
    this.#endWord();
    return out;
  }

  // An unquoted value with blanks in it is several words.
  #addUnquoted(value: string): void {
    for (const char of value) {
      if (/\s/.test(char)) this.#endWord();
      else {
        this.#word += char;
        this.#inWord = true;
      }
    }
  }

  #endWord(): void {
    if (this.#inWord) this.words.push(this.#word);
    this.#word = "";
    this.#inWord = false;
  }

  #single(): string {
    const end = this.text.indexOf("'", this.#at + 1);
    if (end < 0)
      throw new DockerfileError("unexpected end of statement while looking for matching single-quote");
    const inside = this.text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return inside;
  }

  #double(): string {
    this.#at++;
    let out = "";
    for (;;) {
      const char = this.text[this.#at];
      if (char === undefined) {
        throw new DockerfileError("unexpected end of statement while looking for matching double-quote");
      }
      if (char === '"') {
        this.#at++;
        return out;
      }
      if (char === "$") {
        out += this.#dollar();
        continue;
      }
      this.#at++;
      if (char !== this.escapeChar) {
        out += char;
        continue;
      }
      const next = this.text[this.#at];
      if (next === undefined) continue;
      this.#at++;
      // Before anything else the escape character is an ordinary one.
      out += next === '"' || next === "$" || next === this.escapeChar ? next : char + next;
    }
  }

  #name(): string {
    const rest = this.text.slice(this.#at);
    const name =
      /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+)/.exec(rest)?.[0] ??
      (SPECIAL.includes(rest[0] ?? "\0") ? rest[0]! : "");
    this.#at += name.length;
    return name;
  }

  #dollar(): string {
    this.#at++;
    if (this.text[this.#at] !== "{") {
      const name = this.#name();
      return name === "" ? "$" : (this.lookup(name) ?? "");
    }
    this.#at++;
    if (this.text[this.#at] === undefined) throw new DockerfileError("syntax error: missing '}'");
    const name = this.#name();
    if (name === "" && this.text[this.#at] === "}")
      throw new DockerfileError("syntax error: bad substitution");
    if (name === "") throw new DockerfileError("syntax error: bad substitution");
    const value = this.lookup(name);
    const operator = this.text[this.#at++];
    switch (operator) {
      case undefined:
        throw new DockerfileError("syntax error: missing '}'");
      case "}":
        return value ?? "";
      case ":":
      case "+":
      case "-":
      case "?":
        return this.#default(name, value, operator);
      case "#":
      case "%":
        return this.#trim(value ?? "", operator);
      case "/":
        return this.#replace(value ?? "");
      default:
        throw new DockerfileError(`unsupported modifier (${operator}) in substitution`);
    }
  }

  #nested(stop: string, raw = false): string {
    const inner = new Expansion(this.text.slice(this.#at), this.lookup, this.escapeChar);
    const out = inner.read(stop, raw);
    this.#at += inner.#at;
    return out;
  }

  #default(name: string, value: string | undefined, first: string): string {
    const colon = first === ":";
    const modifier = colon ? this.text[this.#at++] : first;
    if (modifier === undefined) throw new DockerfileError("syntax error: missing '}'");
    const word = this.#nested("}");
    const set = value !== undefined && !(colon && value === "");
    switch (modifier) {
      case "-":
        return set ? value : word;
      case "+":
        return set ? word : "";
      case "?": {
        if (set) return value;
        const why = colon && value === "" ? "not allowed to be empty" : "not allowed to be unset";
        throw new DockerfileError(`${name}: ${word === "" ? why : word}`);
      }
      default:
        throw new DockerfileError(`unsupported modifier (${colon ? ":" : ""}${modifier}) in substitution`);
    }
  }

  #trim(value: string, side: "#" | "%"): string {
    const greedy = this.text[this.#at] === side;
    if (greedy) this.#at++;
    const source = globSource(this.#nested("}", true), greedy);
    if (side === "#") return value.replace(new RegExp(`^${source}`, "s"), "");
    // The shortest suffix: the latest start that matches.
    const whole = new RegExp(`^${source}$`, "s");
    const starts = Array.from({ length: value.length + 1 }, (_, i) => (greedy ? i : value.length - i));
    const start = starts.find((i) => whole.test(value.slice(i)));
    return start === undefined ? value : value.slice(0, start);
  }

  #replace(value: string): string {
    const all = this.text[this.#at] === "/";
    if (all) this.#at++;
    const source = globSource(this.#nested("/", true), true);
    const by = this.#nested("}");
    return value.replace(new RegExp(source, all ? "gs" : "s"), () => by);
  }
}

/** One word: quotes removed, variables replaced, blanks kept. Throws DockerfileError. */
export function expandWord(text: string, lookup: Lookup, escapeChar = "\\"): string {
  return new Expansion(text, lookup, escapeChar).read();
}

/** As expandWord, split at blanks that no quotes protect. Throws DockerfileError. */
export function expandWords(text: string, lookup: Lookup, escapeChar = "\\"): string[] {
  const expansion = new Expansion(text, lookup, escapeChar);
  expansion.read();
  return expansion.words;
}
