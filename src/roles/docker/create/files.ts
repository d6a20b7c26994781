// --env-file, --label-file: NAME=VALUE lines.
import { readFileSync } from "node:fs";

function text(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const words =
      code === "ENOENT" ? "no such file or directory" : code === "EACCES" ? "permission denied" : code;
    throw new Error(`open ${path}: ${words}`);
  }
}

/** Lines of a file; # starts a comment line. A bare NAME is looked up by `lookup`, and left out when it has no value. */
export function keyValueFile(path: string, lookup?: (name: string) => string | undefined): string[] {
  const result: string[] = [];
  for (const line of text(path).split(/\r?\n/)) {
    const entry = line.replace(/^[ \t]+/, "");
    if (entry === "" || entry.startsWith("#")) continue;
    const equals = entry.indexOf("=");
    const name = equals < 0 ? entry : entry.slice(0, equals);
    if (/[ \t]/.test(name))
      throw new Error(`invalid env file (${path}): variable '${name}' contains whitespaces`);
    if (name === "") throw new Error(`invalid env file (${path}): no variable name on line '${entry}'`);
    if (equals >= 0) result.push(entry);
    else if (!lookup) result.push(`${name}=`);
    else {
      const value = lookup(name.trim());
      if (value !== undefined) result.push(`${name.trim()}=${value}`);
    }
  }
  return result;
}

/** NAME=VALUE words → a map; a bare NAME has an empty value. Later ones win. */
export function keyValues(words: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals < 0) result[word] = "";
    else result[word.slice(0, equals)] = word.slice(equals + 1);
  }
  return result;
}
