// The verbs that are typed all day, as a small client of their own: the whole one's tables of a hundred verbs, and the many files
// that the build cuts for them, would be a good part of such a start. What is not one of these verbs, and well said, is the
// whole client's.
import { Cli, globalFlags } from "./cli.ts";
import type { Command } from "./command.ts";
import { FlagError, HelpWanted, type Parsed, parseFlags } from "./flags/flagset.ts";
import { ended, invoke, LEVELS } from "./invoke.ts";

const verbs: Readonly<Record<string, () => Promise<Command>>> = {
  exec: async () => (await import("./verbs/exec.ts")).exec,
  ps: async () => (await import("./verbs/ps.ts")).ps,
  run: async () => (await import("./verbs/run.ts")).run,
};

function globals(args: readonly string[]): Parsed | undefined {
  try {
    return parseFlags(globalFlags, args, false);
  } catch (error) {
    if (error instanceof FlagError || error instanceof HelpWanted) return undefined;
    throw error;
  }
}

/** The client, as main.ts's. Does not return. */
export async function main(args: string[]): Promise<number> {
  const parsed = globals(args);
  const [name = "", ...words] = parsed?.args ?? [];
  const load = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (!parsed || !load || parsed.flags.bool("version") || !LEVELS.includes(parsed.flags.string("log-level")))
    return (await import("./main.ts")).main(args);
  return ended(async () => invoke(new Cli(parsed.flags), await load(), `docker ${name}`, words));
}
