// --filter KEY=VALUE, and the JSON that the API wants of them.
import type { Flag } from "./flagset.ts";

function check(value: string): string {
  if (!value.includes("=")) throw new Error("bad format of filter (expected name=value)");
  return value;
}

export const filterFlag: Flag = {
  name: "filter",
  short: "f",
  kind: "list",
  shows: "filter",
  check,
  usage: "Filter output based on conditions provided",
};

/** --filter of the prune commands: no short name there. */
export const pruneFilterFlag = (example: string): Flag => ({
  name: "filter",
  kind: "list",
  shows: "filter",
  check,
  usage: `Provide filter values (e.g. "${example}")`,
});

export const formatFlag: Flag = {
  name: "format",
  kind: "string",
  usage: `Format output using a custom template:
'table': Print output in table format with column headers (default)
'table TEMPLATE': Print output in table format using the given Go template
'json': Print in JSON format
'TEMPLATE': Print output using the given Go template`,
};

/** {"status":{"running":true}}, or undefined for none. */
export function filterQuery(filters: readonly string[]): string | undefined {
  if (filters.length === 0) return undefined;
  const map: Record<string, Record<string, true>> = {};
  for (const filter of filters) {
    const equals = filter.indexOf("=");
    const key = filter.slice(0, equals).trim().toLowerCase();
    map[key] = { ...map[key], [filter.slice(equals + 1).trim()]: true };
  }
  return JSON.stringify(map);
}
