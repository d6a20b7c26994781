/** Lines of columns as Go's tabwriter(minwidth 12, padding 3) sets them, which scripts cut by. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns - 1 }, (_, i) =>
    Math.max(12, ...rows.map((row) => (row[i] ?? "").length + 3)),
  );
  return rows
    .map((row) => `${row.map((cell, i) => (i < columns - 1 ? cell.padEnd(widths[i]!) : cell)).join("")}\n`)
    .join("");
}
