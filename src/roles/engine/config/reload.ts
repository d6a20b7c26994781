// SIGHUP: reads the configuration again and takes over what may change while containers run.
import { configureLog, log } from "../../../observe/log.ts";
import type { Engine } from "../engine.ts";
import { parseFlags } from "./flags.ts";
import { loadConfig } from "./load.ts";
import type { EngineConfig } from "./types.ts";

/** As dockerd reloads them (docs: "Configuration reload behavior"). */
const RELOADABLE = [
  "debug",
  "logLevel",
  "labels",
  "runtimes",
  "defaultRuntime",
  "insecureRegistries",
  "registryMirrors",
  "shutdownTimeout",
  "liveRestore",
  "maxConcurrentDownloads",
  "maxDownloadAttempts",
  "defaultShmSize",
  "defaultCgroupnsMode",
  "defaultIpcMode",
] as const satisfies readonly (keyof EngineConfig)[];

let commandLine: readonly string[] = [];

/** Remembers the arguments that the daemon was started with, for reloads. */
export function rememberCommandLine(args: readonly string[]): void {
  commandLine = args;
}

/** Never throws: a bad file is logged and changes nothing. */
export function reloadConfig(engine: Engine): void {
  let fresh: EngineConfig;
  try {
    fresh = loadConfig(parseFlags(commandLine));
  } catch (error) {
    log("error", "Error reconfiguring the daemon", { error });
    return;
  }
  for (const key of RELOADABLE) Object.assign(engine.config, { [key]: fresh[key] });
  configureLog({ level: fresh.logLevel === "warn" ? "warning" : fresh.logLevel });
  const shown = Object.fromEntries(RELOADABLE.map((key) => [key, JSON.stringify(fresh[key])]));
  log("info", "Reloaded configuration", shown);
  engine.events.publish("daemon", "reload", { ID: engine.id, Attributes: { name: engine.id, ...shown } });
}
