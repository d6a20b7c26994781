// containerd's filter syntax (its pkg/filters): `name==x`, `labels."a.b"~=^v`, `id` (presence), joined by commas (and).
import { invalid } from "../errors.ts";

export type Operator = "present" | "==" | "!=" | "~=";

export interface Selector {
  fieldpath: string[];
  operator: Operator;
  value: string;
}

/** All selectors of a filter must hold. */
export type Filter = readonly Selector[];

const FIELD = /[A-Za-z_][A-Za-z0-9_]*/y;
const VALUE = /[^\s,]+/y;
const QUOTES = new Set(['"', "/", "|"]);

class Reader {
  at = 0;
  constructor(readonly text: string) {}

  fail(why: string): never {
    throw invalid(
      `filters: parse error: [${this.text.slice(0, this.at)} >|${this.text[this.at] ?? ""}|< ${this.text.slice(this.at + 1)}]: ${why}`,
    );
  }

  get peek(): string {
    return this.text[this.at] ?? "";
  }

  skipSpace(): void {
    while (/\s/.test(this.peek)) this.at++;
  }

  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  /** A quoted string: "…" with Go's escapes; /…/ and |…| (for regular expressions) with only the delimiter escaped. */
  quoted(): string {
    const delimiter = this.peek;
    const start = this.at++;
    let raw = "";
    for (;;) {
      const c = this.peek;
      if (c === "") {
        this.at = start;
        this.fail("quoted literal not terminated");
      }
      this.at++;
      if (c === delimiter) break;
      if (c !== "\\") {
        raw += c;
        continue;
      }
      const next = this.peek;
      this.at++;
      if (next === delimiter || delimiter !== '"') raw += next === delimiter ? next : c + next;
      else raw += this.#escape(next);
    }
    return raw;
  }

  #escape(c: string): string {
    const simple: Record<string, string> = {
      n: "\n",
      t: "\t",
      r: "\r",
      "\\": "\\",
      "'": "'",
      a: "\x07",
      b: "\b",
      f: "\f",
      v: "\v",
    };
    const known = simple[c];
    if (known !== undefined) return known;
    const digits = { x: 2, u: 4, U: 8 }[c];
    const hex = digits === undefined ? "" : this.text.slice(this.at, this.at + digits);
    if (digits !== undefined && hex.length === digits && /^[0-9a-fA-F]+$/.test(hex)) {
      const point = Number.parseInt(hex, 16);
      if (point <= 0x10ffff) {
        this.at += digits;
        return String.fromCodePoint(point);
      }
    }
    return this.fail("invalid escape");
  }
}

function field(reader: Reader): string {
  if (reader.peek === '"') return reader.quoted();
  return reader.match(FIELD) ?? reader.fail("expected field or quoted");
}

function selector(reader: Reader): Selector {
  const fieldpath = [field(reader)];
  while (reader.peek === ".") {
    reader.at++;
    fieldpath.push(field(reader));
  }
  reader.skipSpace();
  if (reader.peek === "," || reader.peek === "") return { fieldpath, operator: "present", value: "" };
  const operator = reader.match(/==|!=|~=/y);
  if (!operator) reader.fail("expected an operator (`==`|`!=`|`~=`)");
  reader.skipSpace();
  let value: string;
  if (reader.peek === '"' || (operator === "~=" && QUOTES.has(reader.peek))) value = reader.quoted();
  else if (reader.peek === "," || reader.peek === "") value = "";
  else value = reader.match(VALUE) ?? reader.fail("expected value or quoted");
  return { fieldpath, operator: operator as Operator, value };
}

/** Parses one filter. The empty text holds for everything. Throws InvalidArgument. */
export function parseFilter(text: string): Filter {
  const reader = new Reader(text);
  reader.skipSpace();
  const selectors: Selector[] = [];
  if (reader.peek === "") return selectors;
  for (;;) {
    selectors.push(selector(reader));
    reader.skipSpace();
    if (reader.peek === "") return selectors;
    if (reader.peek !== ",") reader.fail("expected a comma or the end");
    reader.at++;
    reader.skipSpace();
  }
}
