// The shape of a verb.
import type { Cli } from "./cli.ts";
import type { Flag, Flags } from "./flags/flagset.ts";

export interface Invocation {
  cli: Cli;
  flags: Flags;
  args: string[];
  /** How it was called: "docker run", "docker container run". */
  path: string;
}

export interface Command {
  /** What stands behind the name in the usage line: "[OPTIONS] IMAGE [COMMAND] [ARG...]". */
  use: string;
  /** One line. */
  short: string;
  /** The text of the help's head, when it is more than that line. */
  long?: string;
  /** Other full names, for the help text. */
  aliases?: readonly string[];
  flags: readonly Flag[];
  args: { min: number; max: number };
  /** false: flags end at the first argument (the rest is the container's command). */
  interspersed?: boolean;
  /** Does not talk to the engine: an address that makes no sense is no hindrance. */
  anyAddress?: boolean;
  /** Returns the exit code. */
  run(invocation: Invocation): Promise<number>;
}

export const any = Number.POSITIVE_INFINITY;

const count = (n: number) => `${n} argument${n === 1 ? "" : "s"}`;

/** The complaint about a wrong number of arguments, or undefined. */
export function checkArgs(command: Command, path: string, given: number): string | undefined {
  const { min, max } = command.args;
  if (given >= min && given <= max) return undefined;
  const usage = `Usage:  ${path}${command.use ? ` ${command.use}` : ""}`;
  const [words, see] =
    max === 0
      ? ["accepts no arguments", "Run"]
      : min === max
        ? [`requires ${count(min)}`, "Run"]
        : given < min
          ? [`requires at least ${count(min)}`, "See"]
          : [`requires at most ${count(max)}`, "See"];
  return `docker: '${path}' ${words}\n\n${usage}\n\n${see} '${path} --help' for more information`;
}
