// A question before something is removed. As the docker CLI asks it.
import type { Cli } from "../cli.ts";
import { readLine } from "./prompt.ts";

/** Asks on stdout, reads one line of stdin: only "y" is yes. The end of input is no. */
export async function confirm(cli: Cli, message: string): Promise<boolean> {
  cli.out(`${message} [y/N] `);
  return (await readLine()).trim().toLowerCase() === "y";
}
