// A Go template's text → text pieces and actions; an action's inside → tokens.
import { TemplateError } from "./ast.ts";

export interface Piece {
  kind: "text" | "action";
  text: string;
  /** Where it starts in the template. */
  at: number;
}

/** Splits at {{ and }}, honouring {{- and -}}. Comments vanish. */
export function split(template: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trim = false;
  for (;;) {
    const open = template.indexOf("{{", at);
    let text = template.slice(at, open < 0 ? undefined : open);
    if (trim) text = text.trimStart();
    if (open < 0) {
      if (text !== "") pieces.push({ kind: "text", text, at });
      return pieces;
    }
    let start = open + 2;
    if (template[start] === "-" && /\s/.test(template[start + 1] ?? "")) {
      text = text.trimEnd();
      start += 1;
    }
    if (text !== "") pieces.push({ kind: "text", text, at });
    const close = endOfAction(template, start);
    let inside = template.slice(start, close);
    trim = /\s-$/.test(inside);
    if (trim) inside = inside.slice(0, -1);
    const trimmed = inside.trim();
    if (!(trimmed.startsWith("/*") && trimmed.endsWith("*/"))) {
      pieces.push({ kind: "action", text: trimmed, at: start });
    }
    at = close + 2;
  }
}

// }} inside a string literal or a comment does not end the action.
function endOfAction(template: string, start: number): number {
  let quote = "";
  for (let i = start; i < template.length; i++) {
    const c = template[i]!;
    if (quote !== "") {
      if (c === "\\" && quote !== "`") i++;
      else if (c === quote) quote = "";
      else if (c === "\n" && quote === '"')
        throw new TemplateError("template: :1: unterminated quoted string");
    } else if (c === '"' || c === "`" || c === "'") quote = c;
    else if (template.startsWith("/*", i)) {
      const end = template.indexOf("*/", i + 2);
      if (end < 0) throw new TemplateError("template: :1: unclosed comment");
      i = end + 1;
    } else if (template.startsWith("}}", i)) return i;
  }
  if (quote !== "")
    throw new TemplateError(`template: :1: unterminated ${quote === "`" ? "raw " : ""}quoted string`);
  throw new TemplateError("template: :1: unclosed action");
}

export interface Token {
  kind: "string" | "number" | "word" | "field" | "variable" | "dot" | "symbol" | "space";
  text: string;
  value?: string | number;
}

const PATTERNS: readonly [Token["kind"], RegExp][] = [
  ["space", /^\s+/],
  ["field", /^\.[A-Za-z_][\w]*/u],
  ["variable", /^\$\w*/],
  ["number", /^[+-]?(?:0x[0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)/],
  ["dot", /^\./],
  ["word", /^[A-Za-z_]\w*/],
  ["symbol", /^(?::=|[=|(),])/],
];

/** The tokens of an action. Throws TemplateError. */
export function tokens(action: string): Token[] {
  const result: Token[] = [];
  for (let rest = action; rest !== ""; ) {
    const c = rest[0]!;
    if (c === '"' || c === "`" || c === "'") {
      const { text, value } = quoted(rest);
      result.push(
        c === "'"
          ? { kind: "number", text, value: value.codePointAt(0) ?? 0 }
          : { kind: "string", text, value },
      );
      rest = rest.slice(text.length);
      continue;
    }
    const found = PATTERNS.map(([kind, pattern]) => [kind, pattern.exec(rest)?.[0]] as const).find(
      ([, text]) => text !== undefined,
    );
    if (!found) throw new TemplateError(`template: :1: unexpected ${JSON.stringify(c)} in command`);
    const [kind, text] = found as readonly [Token["kind"], string];
    result.push(kind === "number" ? { kind, text, value: Number(text) } : { kind, text });
    rest = rest.slice(text.length);
  }
  return result;
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
  "'": "'",
};

function quoted(text: string): { text: string; value: string } {
  const quote = text[0]!;
  if (quote === "`") {
    const end = text.indexOf("`", 1);
    return { text: text.slice(0, end + 1), value: text.slice(1, end) };
  }
  let value = "";
  for (let i = 1; i < text.length; i++) {
    const c = text[i]!;
    if (c === quote) return { text: text.slice(0, i + 1), value };
    if (c !== "\\") {
      value += c;
      continue;
    }
    const code = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))/.exec(
      text.slice(i + 1),
    );
    if (code) {
      const hex = code[1] ?? code[2] ?? code[3];
      value += String.fromCodePoint(
        hex === undefined ? Number.parseInt(code[4]!, 8) : Number.parseInt(hex, 16),
      );
      i += code[0].length;
      continue;
    }
    const plain = ESCAPES[text[i + 1] ?? ""];
    if (plain === undefined) throw new TemplateError("template: :1: invalid syntax");
    value += plain;
    i++;
  }
  throw new TemplateError("template: :1: unterminated quoted string");
}
