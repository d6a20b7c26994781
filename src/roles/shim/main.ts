// containerd-shim-bunker-v2: `start` makes a serving shim, `delete` cleans up after a dead one, without an action it serves.
import { print } from "../../../ffi/output.ts";
import { part } from "../../launcher/parting.ts";
import { configureLog } from "../../observe/log.ts";
import { compiled } from "../../self.ts";
import { WAIT } from "../../wire/ttrpc/shim-waiting.ts";
import { type Flags, parseFlags, UsageError } from "./flags.ts";
import type { LoadResident } from "./oci/own.ts";
import { toStderr } from "./stderr.ts";

/** `resident` loads our own runtime, where it can be had in this process. */
export async function shimMain(args: string[], calledAs: string, resident?: LoadResident): Promise<number> {
  if (args[0] === "upgrade") return (await import("./upgrade.ts")).upgrade(args.slice(1));
  const code = await run(args, calledAs, resident);
  // All is written by plain writes, and whoever ran `start` or `delete` waits.
  if (compiled) part(code);
  return code;
}

async function run(args: string[], calledAs: string, resident: LoadResident | undefined): Promise<number> {
  let flags: Flags;
  try {
    flags = parseFlags(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    toStderr(`${error.message}\n`);
    return 2;
  }
  if (flags.version) {
    const { version } = await import("../../version.ts");
    print(`${calledAs}:\n  Version:  ${version}\n  Revision: \n  Go version: none (Bun ${Bun.version})\n\n`);
    return 0;
  }
  configureLog({ write: toStderr, ...(flags.debug && { level: "debug" as const }) });
  try {
    if (flags.info) return await (await import("./info.ts")).info(calledAs);
    if (flags.action === WAIT) return await (await import("./waiting.ts")).waitForContainer(flags, resident);
    if (flags.namespace === "") throw new Error("shim namespace cannot be empty");
    if (flags.id === "") throw new Error("shim id cannot be empty");
    switch (flags.action) {
      case "start":
        return await (await import("./start.ts")).start(flags, calledAs);
      case "delete":
        return await (await import("./delete.ts")).deleteDead(flags);
      case "":
        return await (await import("./serve.ts")).serve(flags, resident);
      default:
        throw new Error(`unknown action ${JSON.stringify(flags.action)}: start or delete`);
    }
  } catch (error) {
    toStderr(`${calledAs}: ${(error as Error).message}\n`);
    return 1;
  }
}
