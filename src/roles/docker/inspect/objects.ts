// What every `inspect` does with what it finds: indented JSON of all, or a template's view of each.
import type { Cli } from "../cli.ts";
import { ExitError, reason } from "../errors.ts";
import type { Flag } from "../flags/flagset.ts";
import { compile, type Template } from "../template/evaluate.ts";
import { escapeHtml, fromJson, toJson } from "../template/value.ts";
import { markTimes } from "./times.ts";

export const inspectFormatFlag: Flag = {
  name: "format",
  short: "f",
  kind: "string",
  usage: `Format output using a custom template:
'json': Print in JSON format
'TEMPLATE': Print output using the given Go template`,
};

function template(format: string): Template | undefined {
  if (format === "" || format === "json") return undefined;
  try {
    return compile(format);
  } catch (error) {
    throw new ExitError(64, `template parsing error: ${reason(error)}`);
  }
}

const ESCAPED = /\\u00(?:3c|3e|26)/;

/**
 * Looks each name up (`look` gives its JSON as the engine sent it) and prints what was found; complaints follow. Returns the exit code.
 * Throws ExitError 64 on a bad template.
 */
export async function inspectObjects(
  cli: Cli,
  format: string,
  names: readonly string[],
  look: (name: string) => Promise<string>,
): Promise<number> {
  const compiled = template(format);
  const found: unknown[] = [];
  const complaints: string[] = [];
  let text = "";
  // What the engine escaped for HTML's sake (Go's habit) stays escaped.
  let escaped = false;
  const shown = (indent?: string) => (escaped ? escapeHtml(toJson(found, indent)) : toJson(found, indent));
  for (const name of names) {
    try {
      const json = await look(name);
      const value = fromJson(json);
      escaped ||= ESCAPED.test(json);
      if (compiled) {
        markTimes(value);
        try {
          text += `${compiled.execute(value)}\n`;
        } catch (error) {
          throw new Error(`template parsing error: ${reason(error)}`);
        }
      }
      found.push(value);
    } catch (error) {
      complaints.push(reason(error));
    }
  }
  if (compiled) cli.out(text === "" ? "\n" : text);
  else if (format === "json") cli.out(`${shown()}\n`);
  else cli.out(found.length === 0 ? "[]\n" : `${shown("    ")}\n`);
  for (const complaint of complaints) cli.err(`${complaint}\n`);
  return complaints.length > 0 ? 1 : 0;
}
