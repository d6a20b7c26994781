// dockerd's entry: its command line, before anything heavy is loaded.

import { commit, version } from "../../version.ts";
import { helpText, parseFlags } from "./config/flags.ts";
import { loadConfig } from "./config/load.ts";
import { rememberCommandLine } from "./config/reload.ts";
import { settleRemap } from "./config/remap.ts";
import type { EngineConfig } from "./config/types.ts";
import { ConfigError } from "./config/values.ts";
import type { DaemonParts } from "./daemon.ts";

function fail(message: string): number {
  process.stderr.write(`${message}\n`);
  return 1;
}

/** @param parts loads what the daemon is made of, once it is sure to start. */
export async function engineMain(args: string[], parts: () => Promise<DaemonParts>): Promise<number> {
  let config: EngineConfig;
  try {
    const flags = parseFlags(args);
    if (flags.get("help") === true) {
      process.stdout.write(helpText());
      return 0;
    }
    if (flags.get("version") === true) {
      process.stdout.write(`Docker version ${version}, build ${commit}\n`);
      return 0;
    }
    config = loadConfig(flags);
    if (flags.get("validate") === true) {
      process.stderr.write("configuration OK\n");
      return 0;
    }
  } catch (error) {
    if (error instanceof ConfigError) return fail(error.message);
    throw error;
  }
  if (process.getuid?.() !== 0) return fail("dockerd needs to be started with root privileges");
  try {
    config = settleRemap(config);
  } catch (error) {
    if (error instanceof ConfigError) return fail(error.message);
    throw error;
  }
  rememberCommandLine(args);
  const { runDaemon } = await import("./daemon.ts");
  try {
    const code = await runDaemon(config, await parts());
    // A call that waits on a shim or a reader would keep the process; nothing of the daemon is left to wait for.
    process.exit(code);
  } catch (error) {
    return fail(`failed to start daemon: ${(error as Error).message}`);
  }
}
