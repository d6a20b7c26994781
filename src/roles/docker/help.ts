// Help texts, laid out as the docker CLI lays them out, for 80 columns.
import type { Command } from "./command.ts";
import type { Flag } from "./flags/flagset.ts";

const NAMES: Readonly<Record<Flag["kind"], string>> = {
  bool: "",
  string: "string",
  int: "int",
  uint: "uint",
  uint16: "uint16",
  bytes: "bytes",
  swap: "bytes",
  duration: "duration",
  decimal: "decimal",
  list: "list",
  strings: "strings",
};

function wrap(text: string, width: number): string[] {
  return text.split("\n").flatMap((paragraph) => {
    const rows: string[] = [];
    let row = "";
    for (const word of paragraph.split(" ")) {
      if (row !== "" && row.length + 1 + word.length > width) {
        rows.push(row);
        row = word;
      } else row = row === "" ? word : `${row} ${word}`;
    }
    return [...rows, row];
  });
}

function shownDefault(flag: Flag): string {
  const value = flag.default;
  if (value === undefined || value === false || value === "" || value === 0) return "";
  return ` (default ${typeof value === "string" ? JSON.stringify(value) : String(value)})`;
}

/** The options block of a help text. */
export function flagLines(flags: readonly Flag[]): string {
  const shown = flags.filter((flag) => !flag.hidden);
  const heads = shown.map((flag) => {
    const type = flag.shows ?? NAMES[flag.kind];
    return `  ${flag.short ? `-${flag.short}, ` : "    "}--${flag.name}${type ? ` ${type}` : ""}`;
  });
  const width = Math.max(...heads.map((head) => head.length)) + 3;
  return shown
    .map((flag, i) => {
      const rows = wrap(flag.usage + shownDefault(flag), Math.max(24, 80 - width));
      return `${heads[i]!.padEnd(width)}${rows.join(`\n${" ".repeat(width)}`)}\n`;
    })
    .join("");
}

/** `docker CMD --help`. */
export function commandHelp(command: Command, path: string): string {
  const parts = [
    `Usage:  ${path}${command.use ? ` ${command.use}` : ""}\n\n${command.long ?? command.short}\n`,
  ];
  if (command.aliases?.length) parts.push(`Aliases:\n  ${command.aliases.join(", ")}\n`);
  if (command.flags.some((flag) => !flag.hidden)) parts.push(`Options:\n${flagLines(command.flags)}`);
  return `\n${parts.join("\n")}`.slice(1);
}

/** Names with their lines, for a list of commands. */
export function nameLines(entries: readonly (readonly [string, string])[]): string {
  const width = Math.max(11, ...entries.map(([name]) => name.length + 1));
  return entries.map(([name, about]) => `  ${name.padEnd(width)} ${about}\n`).join("");
}
