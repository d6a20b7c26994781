// Rows for people: a template for each, in columns when it starts with "table". As docker's formatter and Go's tabwriter.
import { compile } from "./evaluate.ts";
import { functions, headerFunctions } from "./functions.ts";
import { escapeHtml, toJson } from "./value.ts";

/** What a list shows: its columns' titles by field, and one row's fields. */
export type Row = Readonly<Record<string, unknown>>;

/** Pads tab-separated cells into columns: at least `minimum` wide, three apart; the last cell of a line is left alone. */
export function align(text: string, minimum = 10): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const widths: number[][] = lines.map(() => []);
  // A column is a run of neighbouring lines that have a cell there which a tab ends (Go: text/tabwriter).
  for (let column = 0; lines.some((cells) => cells.length > column + 1); column++) {
    for (let from = 0; from < lines.length; from++) {
      if (lines[from]!.length <= column + 1) continue;
      let to = from;
      let width = minimum;
      for (; to < lines.length && lines[to]!.length > column + 1; to++) {
        width = Math.max(width, [...lines[to]![column]!].length + 3);
      }
      for (let line = from; line < to; line++) widths[line]![column] = width;
      from = to - 1;
    }
  }
  return lines
    .map((cells, line) =>
      cells
        .map((cell, i) =>
          i < cells.length - 1 ? cell + " ".repeat((widths[line]![i] ?? 0) - [...cell].length) : cell,
        )
        .join(""),
    )
    .join("\n");
}

/** \t and \n as people type them in a shell. */
const unescaped = (format: string): string => format.replaceAll("\\t", "\t").replaceAll("\\n", "\n");

function told<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`failed to ${what} template: ${(error as Error).message}`);
  }
}

// Go sorts a map's keys when it writes JSON.
const sorted = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));

const rowJson = (row: Row): string => escapeHtml(toJson(sorted(row)));

/** Prints `rows` by `format`: "table …", "json", or a template a line. */
export function render(
  format: string,
  headers: Readonly<Record<string, string>>,
  rows: readonly Row[],
): string {
  const trimmed = format.trim();
  if (trimmed === "json") {
    return rows.map((row) => `${rowJson(row)}\n`).join("");
  }
  const table = /^table\b/.test(trimmed);
  const template = told("parse", () =>
    compile(unescaped(table ? trimmed.slice("table".length).trim() : trimmed)),
  );
  const lines = told("execute", () => {
    // Checked even when there is nothing to show.
    if (rows.length === 0) template.execute(headers, headerFunctions);
    return rows.map((row) =>
      // A whole row becomes JSON as Go's own encoder writes it.
      template.execute(row, {
        ...functions,
        json: (value) => (value === row ? rowJson(row) : toJson(value)),
      }),
    );
  });
  if (!table) return lines.map((line) => `${line}\n`).join("");
  return align([template.execute(headers, headerFunctions), ...lines].map((line) => `${line}\n`).join(""));
}
