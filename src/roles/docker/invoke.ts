// From a verb and its words to an exit code: what the whole client and the everyday one have in common.
import type { Cli } from "./cli.ts";
import { type Command, checkArgs } from "./command.ts";
import { ExitError, reason } from "./errors.ts";
import { FlagError, HelpWanted, type Parsed, parseFlags } from "./flags/flagset.ts";
import { commandHelp } from "./help.ts";
import { closeOutput, writeText } from "./stdio/output.ts";

/** What --log-level takes. */
export const LEVELS = ["panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"];

/** Says `text` on stderr and returns the code. */
export function fail(code: number, text: string): number {
  writeText(2, `${text}\n`);
  return code;
}

/** Runs a verb with its own words. Returns the exit code; throws what the verb throws. */
export async function invoke(
  cli: Cli,
  command: Command,
  path: string,
  argv: readonly string[],
): Promise<number> {
  let parsed: Parsed;
  try {
    parsed = parseFlags(command.flags, argv, command.interspersed ?? true);
  } catch (error) {
    if (error instanceof HelpWanted) {
      cli.out(commandHelp(command, path));
      return 0;
    }
    if (error instanceof FlagError) {
      return fail(
        125,
        `${error.message}\n\nUsage:  ${path}${command.use ? ` ${command.use}` : ""}\n\nRun '${path} --help' for more information`,
      );
    }
    throw error;
  }
  const complaint = checkArgs(command, path, parsed.args.length);
  if (complaint !== undefined) return fail(1, complaint);
  for (const flag of command.flags) {
    if (flag.deprecated && parsed.flags.changed(flag.name)) {
      cli.err(`Flag --${flag.name} has been deprecated, ${flag.deprecated}\n`);
    }
  }
  if (!command.anyAddress) cli.checkAddress();
  return command.run({ cli, flags: parsed.flags, args: parsed.args, path });
}

/** Runs the client and ends the process with its exit code; an error is told first. */
export async function ended(work: () => Promise<number>): Promise<number> {
  let code: number;
  try {
    code = await work();
  } catch (error) {
    code = error instanceof ExitError ? error.code : 1;
    const text = reason(error);
    if (text !== "") writeText(2, `${text}\n`);
  }
  closeOutput();
  // Everything is written; a read of stdin that never ends must not keep the client.
  process.exit(code);
}
