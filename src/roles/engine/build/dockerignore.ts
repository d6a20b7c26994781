// .dockerignore: which paths are left out. moby/patternmatcher: later lines win, `!` takes back, `**` crosses directories.
interface Pattern {
  negated: boolean;
  expression: RegExp;
}

function source(pattern: string): string {
  let out = "";
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === "*" && pattern[i + 1] === "*") {
      i++;
      if (pattern[i + 1] === "/") {
        // "**/x" matches x at any depth, the top included.
        i++;
        out += "(?:.*/)?";
      } else out += ".*";
    } else if (char === "*") out += "[^/]*";
    else if (char === "?") out += "[^/]";
    else if (char === "[") {
      const end = pattern.indexOf("]", i + 2);
      if (end < 0) throw new Error(`syntax error in pattern: ${pattern}`);
      out += `[${pattern.slice(i + 1, end).replace(/\\/g, "\\\\")}]`;
      i = end;
    } else {
      const literal = char === "\\" && i + 1 < pattern.length ? pattern[++i]! : char;
      out += literal.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    }
  }
  return out;
}

/** Cleaned as Go's filepath.Clean does it, without a leading slash. */
function clean(pattern: string): string {
  const parts: string[] = [];
  for (const part of pattern.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

/** The patterns of a .dockerignore, cleaned; those that take back keep their "!". */
export function ignoreLines(text: string): string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .flatMap((raw) => {
      const line = raw.startsWith("#") ? "" : raw.trim();
      const negated = line.startsWith("!");
      const pattern = clean((negated ? line.slice(1) : line).trim());
      return pattern === "" ? [] : [negated ? `!${pattern}` : pattern];
    });
}

export class Ignore {
  readonly #patterns: Pattern[] = [];

  /** Throws Error for a pattern that cannot be read. */
  constructor(text: string) {
    for (const line of ignoreLines(text)) {
      const negated = line.startsWith("!");
      const expression = new RegExp(`^${source(negated ? line.slice(1) : line)}(?:/.*)?$`);
      this.#patterns.push({ negated, expression });
    }
  }

  /** Whether `path` ("a/b") is left out. */
  excludes(path: string): boolean {
    let excluded = false;
    for (const { negated, expression } of this.#patterns) {
      if (negated === excluded && expression.test(path)) excluded = !negated;
    }
    return excluded;
  }

  get empty(): boolean {
    return this.#patterns.length === 0;
  }
}
