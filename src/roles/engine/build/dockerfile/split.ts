// How an instruction's arguments are cut apart before variables are replaced: flags, words with their quotes, JSON lists.
import { DockerfileError } from "./error.ts";

/** The end of the word that starts at `at`; quotes and escapes protect blanks. */
function wordEnd(text: string, at: number, escapeChar: string): number {
  let quote = "";
  let i = at;
  for (; i < text.length; i++) {
    const char = text[i]!;
    if (quote === "") {
      if (/\s/.test(char)) break;
      if (char === "'" || char === '"') quote = char;
      else if (char === escapeChar) i++;
    } else if (char === quote) quote = "";
    // In double quotes the escape character protects the next one, in single quotes nothing does.
    else if (char === escapeChar && quote === '"') i++;
  }
  return Math.min(i, text.length);
}

/** Words as written, quotes and all. */
export function splitWords(text: string, escapeChar: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text[at]!)) {
      at++;
      continue;
    }
    const end = wordEnd(text, at, escapeChar);
    words.push(text.slice(at, end));
    at = end;
  }
  return words;
}

function unquote(word: string, escapeChar: string): string {
  let out = "";
  let quote = "";
  for (let i = 0; i < word.length; i++) {
    const char = word[i]!;
    if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = "";
    else if (char === escapeChar && i + 1 < word.length) out += word[++i]!;
    else out += char;
  }
  return out;
}

/** Leading words that start with "--"; a bare "--" ends them. */
export function splitFlags(text: string, escapeChar: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  while (text.startsWith("--", at)) {
    const end = wordEnd(text, at, escapeChar);
    const word = text.slice(at, end);
    at = end;
    while (at < text.length && /\s/.test(text[at]!)) at++;
    if (word === "--") break;
    flags.push(unquote(word, escapeChar));
  }
  return { flags, rest: text.slice(at) };
}

/** The exec form: a JSON list of strings; undefined when the text is not one. */
export function jsonList(text: string): string[] | undefined {
  if (!text.trimStart().startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

/** ENV and LABEL: "k=v k2=v2", or the old "k the rest". Values keep their quotes. Throws DockerfileError. */
export function nameValues(
  text: string,
  keyword: string,
  escapeChar: string,
): [name: string, value: string][] {
  const words = splitWords(text, escapeChar);
  const first = words[0];
  if (first === undefined) throw new DockerfileError(`${keyword} requires at least one argument`);
  if (!first.includes("=")) {
    const [, name, value] = /^(\S+)\s+([\s\S]+)$/.exec(text.trim()) ?? [];
    if (name === undefined || value === undefined) {
      throw new DockerfileError(`${keyword} must have two arguments`);
    }
    return [[name, value]];
  }
  return words.map((word) => {
    const at = word.indexOf("=");
    if (at < 0) {
      throw new DockerfileError(
        `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    }
    if (at === 0) throw new DockerfileError(`${keyword} names can not be blank`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
}
