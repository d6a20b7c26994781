// .dockerignore: which paths of a build context stay at home. As moby's patternmatcher reads it.
import { normalize } from "node:path";

interface Pattern {
  text: string;
  /** "!": takes matches back in. */
  exception: boolean;
  regexp: RegExp;
}

/** The lines of an ignore file: comments and blank ones left out, the rest cleaned. */
export function readPatterns(text: string): string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#"))
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => {
      const exception = line.startsWith("!");
      let pattern = exception ? line.slice(1).trim() : line;
      if (pattern !== "") {
        pattern = normalize(pattern);
        if (pattern.length > 1) pattern = pattern.replace(/^\/+/, "").replace(/\/+$/, "");
      }
      return exception ? `!${pattern}` : pattern;
    });
}

/** "*" is all but a slash, "**" is slashes too, "?" one character; "[…]" is as in Go. Throws on a pattern that is none. */
function toRegExp(pattern: string): RegExp {
  let text = "^";
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (c === "*" && pattern[i + 1] === "*") {
      i++;
      if (pattern[i + 1] === "/") i++;
      text += i + 1 >= pattern.length ? ".*" : "(?:.*/)?";
    } else if (c === "*") text += "[^/]*";
    else if (c === "?") text += "[^/]";
    else if (c === "\\") {
      i++;
      text += i < pattern.length ? pattern[i]!.replace(/[^\w]/g, "\\$&") : "\\\\";
    } else if (c === "[" || c === "]") text += c;
    else if (/[.$+(){}|^]/.test(c)) text += `\\${c}`;
    else text += c;
  }
  try {
    return new RegExp(`${text}$`, "s");
  } catch {
    throw new Error(`syntax error in pattern: ${pattern}`);
  }
}

export class IgnoreRules {
  readonly #patterns: Pattern[];

  /** Throws on a bad pattern. */
  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.map((given) => {
      const exception = given.startsWith("!");
      const text = exception ? given.slice(1) : given;
      if (text === "") throw new Error('illegal exclusion pattern: "!"');
      return { text, exception, regexp: toRegExp(text) };
    });
  }

  /** Whether a path stays at home: the last pattern decides that matches it or a directory above it. */
  ignores(path: string): boolean {
    const parts = path.split("/");
    let ignored = false;
    for (const { exception, regexp } of this.#patterns) {
      if (exception !== ignored) continue;
      let match = regexp.test(path);
      for (let count = 1; !match && count < parts.length; count++) {
        match = regexp.test(parts.slice(0, count).join("/"));
      }
      if (match) ignored = !exception;
    }
    return ignored;
  }

  /** What to do with a path when packing. */
  choose(path: string, directory: boolean): "take" | "leave" | "within" {
    if (!this.ignores(path)) return "take";
    const exceptions = this.#patterns.filter(({ exception }) => exception);
    return directory && exceptions.some(({ text }) => `${text}/`.startsWith(`${path}/`)) ? "within" : "leave";
  }
}
