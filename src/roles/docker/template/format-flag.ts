// --format of the commands that print one document (`info`, `version`): a Go template, or "json".
import type { Command } from "../command.ts";
import { ExitError, reason } from "../errors.ts";
import { compile } from "./evaluate.ts";

export const formatFlag: NonNullable<Command["flags"]>[number] = {
  name: "format",
  short: "f",
  kind: "string",
  usage: `Format output using a custom template:
'json': Print in JSON format
'TEMPLATE': Print output using the given Go template`,
};

/** The template that --format names; undefined for none and for "json". Throws ExitError 64 when it does not parse. */
export function formatTemplate(format: string): ReturnType<typeof compile> | undefined {
  try {
    return format === "" || format === "json" ? undefined : compile(format);
  } catch (error) {
    throw new ExitError(64, `template parsing error: ${reason(error)}`);
  }
}
