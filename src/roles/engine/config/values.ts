// The spellings of configuration values, on the command line and in the file.
import { isIP } from "node:net";
import { z } from "zod";
import type { DirectiveType } from "./directives.ts";
import type { RuntimeConfig, Ulimit } from "./types.ts";

/** A configuration that cannot be used. The message is for the person who wrote it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** `name=soft[:hard]`, -1 for unlimited. */
export function parseUlimit(value: string): Ulimit {
  const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(value);
  if (!match) throw new ConfigError(`invalid ulimit argument: ${value}`);
  const soft = Number(match[2]);
  const hard = match[3] === undefined ? soft : Number(match[3]);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw new ConfigError(`ulimit soft limit must be less than or equal to hard limit: ${value}`);
  }
  return { name: match[1]!, soft, hard };
}

/** "64M", "1g", "65536" → bytes. */
export function parseBytes(value: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp])?i?b?$/i.exec(value.trim());
  if (!match) throw new ConfigError(`invalid size: '${value}'`);
  const power = " kmgtp".indexOf((match[2] ?? " ").toLowerCase());
  return Math.trunc(Number(match[1]) * 1024 ** power);
}

function keyValue(value: string, what: string): [string, string] {
  const at = value.indexOf("=");
  if (at < 1) throw new ConfigError(`invalid ${what}: ${value} (expected key=value)`);
  return [value.slice(0, at), value.slice(at + 1)];
}

function parsePool(value: string): { base: string; size: number } {
  const fields = Object.fromEntries(value.split(",").map((part) => keyValue(part, "default address pool")));
  const size = Number(fields["size"]);
  if (!fields["base"] || !Number.isInteger(size)) {
    throw new ConfigError(`invalid default address pool: ${value} (expected base=CIDR,size=N)`);
  }
  return { base: fields["base"], size };
}

/** "10.0.0.0/8" or "fd00::/8". */
export function isCidr(text: string): boolean {
  const [address = "", length = "", ...more] = text.split("/");
  const bits = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1;
  return more.length === 0 && /^\d{1,3}$/.test(length) && Number(length) <= bits;
}

const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const DOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*\\.?$`);

/** What each value of a list must be, by the list's key; dockerd's words. moby: opts/opts.go */
export const LIST_CHECKS: Readonly<Record<string, (value: string) => void>> = {
  labels(value) {
    if (!/^[^=]+=/.test(value)) throw new ConfigError(`bad attribute format: ${value}`);
  },
  dns(value) {
    if (isIP(value.trim()) === 0) throw new ConfigError(`${value} is not an ip address`);
  },
  "dns-search"(value) {
    const name = value.trim();
    // A dot alone: none.
    if (name === ".") return;
    if (name.length >= 255 || !/[a-zA-Z]/.test(name) || !DOMAIN.test(name)) {
      throw new ConfigError(`${value} is not a valid domain`);
    }
  },
  "registry-mirrors": (value) => void parseMirror(value),
};

/** Flag occurrences → the directive's value. `flag` is for the error. */
export function fromFlag(type: DirectiveType, values: string[], flag: string): unknown {
  const last = values.at(-1)!;
  switch (type) {
    case "bool": {
      const word = last.toLowerCase();
      if (["", "true", "1", "t"].includes(word)) return true;
      if (["false", "0", "f"].includes(word)) return false;
      throw new ConfigError(
        `invalid argument "${last}" for "--${flag}" flag: strconv.ParseBool: parsing "${last}": invalid syntax`,
      );
    }
    case "int":
      if (!/^[+-]?\d+$/.test(last)) {
        throw new ConfigError(
          `invalid argument "${last}" for "--${flag}" flag: strconv.ParseInt: parsing "${last}": invalid syntax`,
        );
      }
      return Number(last);
    case "string":
      return last;
    case "list":
      return values;
    case "map":
      return Object.fromEntries(values.map((value) => keyValue(value, flag)));
    case "maps": {
      const maps: Record<string, Record<string, string>> = {};
      for (const value of values) {
        const [group, entry] = keyValue(value, flag);
        const [key, text] = keyValue(entry, flag);
        maps[group] = { ...maps[group], [key]: text };
      }
      return maps;
    }
    case "ulimits":
      return values.map(parseUlimit);
    case "runtimes":
      return Object.fromEntries(
        values.map((value): [string, RuntimeConfig] => {
          const [name, path] = keyValue(value, "runtime");
          return [name.trim(), { path: path.trim() }];
        }),
      );
    case "pools":
      return values.map(parsePool);
  }
}

/** A registry mirror's URL with a slash at its end. Throws ConfigError in dockerd's words. moby: registry/config.go ValidateMirror */
export function parseMirror(text: string): string {
  const wrong = (why: string): ConfigError => new ConfigError(`invalid mirror: ${why}`);
  if (!URL.canParse(text)) throw wrong(`${JSON.stringify(text)} is not a valid URI`);
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw wrong(`unsupported scheme ${JSON.stringify(url.protocol.slice(0, -1))} in ${JSON.stringify(text)}`);
  }
  if (url.search !== "" || url.hash !== "") {
    throw wrong(`query or fragment at end of the URI ${JSON.stringify(text)}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw wrong(`username/password not allowed in URI ${JSON.stringify(url.href)}`);
  }
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}

const runtimeFile = z.strictObject({
  path: z.string().optional(),
  runtimeArgs: z.array(z.string()).optional(),
  runtimeType: z.string().optional(),
  options: z.record(z.string(), z.unknown()).optional(),
});

const ulimitFile = z.object({ Name: z.string(), Soft: z.number().int(), Hard: z.number().int() });

/** What daemon.json holds for each type, turned into what `fromFlag` gives. */
export const fileTypes: Readonly<Record<DirectiveType, z.ZodType>> = {
  bool: z.boolean(),
  int: z.number().int(),
  string: z.string(),
  list: z.array(z.string()),
  map: z.record(z.string(), z.union([z.string(), z.boolean().transform(String)])),
  maps: z.record(z.string(), z.record(z.string(), z.string())),
  ulimits: z
    .record(z.string(), ulimitFile)
    .transform((map): Ulimit[] =>
      Object.values(map).map((entry) => ({ name: entry.Name, soft: entry.Soft, hard: entry.Hard })),
    ),
  runtimes: z.record(z.string(), runtimeFile),
  pools: z.array(z.object({ base: z.string(), size: z.number().int() })),
};

/** Drivers that write, hand on or leave out the output of containers. */
export const LOG_DRIVERS: readonly string[] = ["journald", "json-file", "local", "none", "syslog"];
