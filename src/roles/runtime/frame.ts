// runc's frame around a failure: "runc create failed: unable to start container process: …".
import { PlanError } from "../../launcher/spawn.ts";
import { RuntimeError } from "./errors.ts";
import { UsageError } from "./flags.ts";

/** Puts the verb's words before an error's; what happened while a process was being started says so too. */
export async function framed<T>(words: string, work: () => Promise<T>, exitCode = 1): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const message = (error as Error).message;
    const start = error instanceof RuntimeError ? "" : startWords(error as Error);
    throw new RuntimeError(`${words}: ${start}${message}`, exitCode);
  }
}

function startWords(error: Error): string {
  // What the launcher met before the program itself is init's part, in runc's words.
  if (error instanceof PlanError && !error.message.startsWith("exec: "))
    return "unable to start container process: error during container init: ";
  return "unable to start container process: ";
}
