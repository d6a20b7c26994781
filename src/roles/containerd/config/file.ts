// containerd's config.toml, version 2 or 3: what this containerd reads of it, and what it has to say about the rest.
import { readFileSync } from "node:fs";
import { z } from "zod";

export interface Config {
  root: string;
  state: string;
  address: string;
  logLevel: string;
  logFormat: "text" | "json";
  /** Directory of hosts.toml files, one a registry. */
  hostsDir: string;
}

export const defaults: Config = {
  root: "/var/lib/containerd",
  state: "/run/containerd",
  address: "/run/containerd/containerd.sock",
  logLevel: "info",
  logFormat: "text",
  hostsDir: "/etc/containerd/certs.d",
};

/** Plugins whose settings are obeyed: where registries' hosts are told, for the transfer service and, in older files, for CRI. */
const TRANSFER = "io.containerd.transfer.v1.local";
const CRI = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"];
const HostsPath = z.looseObject({
  config_path: z.string().optional(),
  registry: z.looseObject({ config_path: z.string().optional() }).optional(),
});

export const DEFAULT_PATH = "/etc/containerd/config.toml";

const text = z.string().optional();
const File = z.looseObject({
  version: z.number().int().optional(),
  root: text,
  state: text,
  grpc: z.looseObject({ address: text, tcp_address: text }).optional(),
  debug: z.looseObject({ level: text, format: text, address: text }).optional(),
  imports: z.array(z.string()).optional(),
  plugins: z.record(z.string(), z.unknown()).optional(),
  proxy_plugins: z.record(z.string(), z.unknown()).optional(),
  stream_processors: z.record(z.string(), z.unknown()).optional(),
});

const given = (value: string | undefined): value is string => value !== undefined && value !== "";
const isEmpty = (table: object | undefined): boolean => !table || Object.keys(table).length === 0;

/** Sections whose settings have no counterpart here and which change what the daemon does when they are set. */
const WITHOUT_EFFECT = ["imports", "proxy_plugins", "stream_processors"] as const;

/**
 * Parses a configuration file. `warnings` names what is set there but has no effect here.
 * Throws with the path and the reason on a file that is not there, is no TOML, or has the wrong version or types.
 */
export function parseConfig(content: string, path: string): { config: Partial<Config>; warnings: string[] } {
  let raw: unknown;
  try {
    raw = Bun.TOML.parse(content);
  } catch (error) {
    const { message, line } = error as { message: string; line?: number };
    throw new Error(`failed to load TOML: ${path}${line === undefined ? "" : `:${line}`}: ${message}`);
  }
  const parsed = File.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`failed to load TOML: ${path}: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const file = parsed.data;
  if (file.version !== undefined && file.version !== 2 && file.version !== 3) {
    throw new Error(`${path}: expected containerd config version 2 or 3, got ${file.version}`);
  }
  const config: Partial<Config> = {};
  if (given(file.root)) config.root = file.root;
  if (given(file.state)) config.state = file.state;
  if (given(file.grpc?.address)) config.address = file.grpc.address;
  if (given(file.debug?.level)) config.logLevel = file.debug.level;
  if (file.debug?.format === "json") config.logFormat = "json";
  const warnings: string[] = WITHOUT_EFFECT.filter((section) => {
    const value = file[section];
    return Array.isArray(value) ? value.length > 0 : !isEmpty(value as object | undefined);
  });
  if (given(file.grpc?.tcp_address)) warnings.push("grpc.tcp_address");
  if (given(file.debug?.address)) warnings.push("debug.address");
  for (const [name, settings] of Object.entries(file.plugins ?? {})) {
    const hosts = [TRANSFER, ...CRI].includes(name) ? HostsPath.safeParse(settings).data : undefined;
    const hostsDir = name === TRANSFER ? hosts?.config_path : hosts?.registry?.config_path;
    // Several directories may be named as in $PATH; the first one counts.
    if (given(hostsDir)) config.hostsDir = hostsDir.split(":")[0]!;
    else if (!isEmpty(settings as object)) warnings.push(`plugins.${JSON.stringify(name)}`);
  }
  return { config, warnings };
}

export function readConfig(path: string): { config: Partial<Config>; warnings: string[] } {
  return parseConfig(readFileSync(path, "utf8"), path);
}

/** A configuration as the file that would lead to it; the one in force without a file by default. */
export function configText(config: Config = defaults): string {
  const quote = (value: string) => JSON.stringify(value);
  return [
    "version = 2",
    `root = ${quote(config.root)}`,
    `state = ${quote(config.state)}`,
    "",
    "[grpc]",
    `  address = ${quote(config.address)}`,
    "",
    "[debug]",
    `  level = ${quote(config.logLevel)}`,
    `  format = ${quote(config.logFormat)}`,
    "",
    `[plugins.${quote(TRANSFER)}]`,
    `  config_path = ${quote(config.hostsDir)}`,
    "",
  ].join("\n");
}
