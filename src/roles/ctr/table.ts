// Columns as Go's text/tabwriter lays them out, which ctr's tables come from.

export interface Layout {
  /** Least width of a cell, padding included. */
  min: number;
  padding: number;
  /** Pad with tabs, to multiples of eight. */
  tabs?: boolean;
}

/** What most of ctr's tables use, and the two others. */
export const NARROW: Layout = { min: 1, padding: 1 };
export const WIDE: Layout = { min: 4, padding: 4 };
export const TABBED: Layout = { min: 1, padding: 1, tabs: true };

const TAB = 8;

/**
 * Lays out rows, a header first. A cell that is ended by a tab is padded and counts for its column's width; ctr ends the last
 * cell with one in all lines, in the header only, or in none.
 */
export function table(
  rows: readonly (readonly string[])[],
  layout: Layout,
  ended: "all" | "header" | "none" = "all",
): string {
  const isEnded = (row: readonly string[], column: number) =>
    column < row.length - 1 || ended === "all" || (ended === "header" && row === rows[0]);
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) => {
    const counting = rows.filter((row) => isEnded(row, column));
    const widest = Math.max(0, ...counting.map((row) => [...(row[column] ?? "")].length));
    const width = Math.max(layout.min, widest + layout.padding);
    return layout.tabs ? Math.ceil(width / TAB) * TAB : width;
  });
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        if (!isEnded(row, column)) return cell;
        const gap = widths[column]! - [...cell].length;
        return cell + (layout.tabs ? "\t".repeat(Math.ceil(gap / TAB)) : " ".repeat(gap));
      })
      .join("");
  return rows.map((row) => `${line(row)}\n`).join("");
}
