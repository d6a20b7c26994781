// ~/.docker/config.json: credentials, the current context, defaults for formats and keys.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
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
  /** By engine address, or "default": put into every container's environment. */
  proxies?: Record<
    string,
    { httpProxy?: string; httpsProxy?: string; noProxy?: string; ftpProxy?: string; allProxy?: string }
  >;
}

/** The directory: --config, DOCKER_CONFIG, ~/.docker. */
export function configDirectory(flag: string): string {
  return flag || process.env["DOCKER_CONFIG"] || join(process.env["HOME"] || homedir(), ".docker");
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

/** The host of a named context (`docker context`): its metadata's docker endpoint. Throws when there is none. */
export function contextHost(directory: string, name: string): string {
  const key = createHash("sha256").update(name).digest("hex");
  const path = join(directory, "contexts", "meta", key, "meta.json");
  if (!existsSync(path)) {
    throw new Error(`context "${name}": context not found: open ${path}: no such file or directory`);
  }
  const meta = JSON.parse(readFileSync(path, "utf8")) as { Endpoints?: { docker?: { Host?: string } } };
  const host = meta.Endpoints?.docker?.Host;
  if (!host) throw new Error(`context "${name}" has no docker endpoint`);
  return host;
}
