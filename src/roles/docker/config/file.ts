// ~/.docker/config.json: credentials, the current context, defaults for formats and keys.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface AuthEntry {
  /** base64 of "user:password" */
  auth?: string;
  username?: string;
  password?: string;
  email?: string;
  identitytoken?: string;
  registrytoken?: string;
}

export interface ConfigFile {
  auths?: Record<string, AuthEntry>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  HttpHeaders?: Record<string, string>;
  currentContext?: string;
  detachKeys?: string;
  psFormat?: string;
  imagesFormat?: string;
  networksFormat?: string;
  volumesFormat?: string;
  statsFormat?: string;
  /** Put before the filters of every prune. */
  pruneFilters?: string[];
  /** Where else to look for CLI plugins. */
  cliPluginsExtraDirs?: string[];
  /** By engine address, or "default": put into every container's environment. */
  proxies?: Record<
    string,
    { httpProxy?: string; httpsProxy?: string; noProxy?: string; ftpProxy?: string; allProxy?: string }
  >;
}

/** The directory: --config, DOCKER_CONFIG, ~/.docker. */
export function configDirectory(flag: string): string {
  return (
    flag ||
    process.env["DOCKER_CONFIG"] ||
    join(process.env["HOME"] || (require("node:os") as typeof import("node:os")).homedir(), ".docker")
  );
}

/** Reads config.json; absent is empty. Throws on one that is no JSON. */
export function readConfig(directory: string): ConfigFile {
  const path = join(directory, "config.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (
      (error as NodeJS.ErrnoException).code === "ENOENT" ||
      (error as NodeJS.ErrnoException).code === "ENOTDIR"
    ) {
      return {};
    }
    throw new Error(`loading config file: ${path}: ${(error as Error).message}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("not an object");
    return value as ConfigFile;
  } catch (error) {
    throw new Error(`loading config file: ${path}: ${(error as Error).message}`);
  }
}
