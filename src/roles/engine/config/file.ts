// daemon.json: known keys with the right types, nothing else, and nothing that a flag says as well.
import { readFileSync } from "node:fs";
import type { z } from "zod";
import { byKey, type DirectiveType } from "./directives.ts";
import { ConfigError, fileTypes } from "./values.ts";

export const DEFAULT_CONFIG_FILE = "/etc/docker/daemon.json";

function goValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goValue).join(" ")}]`;
  if (typeof value === "object" && value !== null) {
    return `map[${Object.entries(value)
      .map(([key, item]) => `${key}:${goValue(item)}`)
      .join(" ")}]`;
  }
  return String(value);
}

// docker nests the proxies; our directives are flat, like its flags.
function flatten(raw: Record<string, unknown>): Record<string, unknown> {
  const { proxies, ...rest } = raw;
  if (typeof proxies !== "object" || proxies === null) return raw;
  return { ...rest, ...(proxies as Record<string, unknown>) };
}

// Go's words for a value of another type. encoding/json: UnmarshalTypeError
function mismatch(key: string, value: unknown, issue: z.core.$ZodIssue): string {
  const { type } = byKey.get(key)!;
  const found = issue.path.reduce<unknown>(
    (inner, step) => (inner as Record<PropertyKey, unknown>)?.[step],
    value,
  );
  const field = [key, ...issue.path.filter((step) => typeof step === "string")].join(".");
  const wanted =
    issue.path.length === 0 ? GO_TYPES[type] : issue.code === "invalid_type" ? issue.expected : undefined;
  if (wanted === undefined) return `json: cannot unmarshal Config field ${field}: ${issue.message}`;
  return `json: cannot unmarshal ${jsonKind(found)} into Go struct field Config.${field} of type ${wanted}`;
}

const GO_TYPES: Partial<Record<DirectiveType, string>> = {
  bool: "bool",
  int: "int",
  string: "string",
  list: "[]string",
  map: "map[string]string",
};

function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return "array";
  // Go says what the number was only where it is no whole one.
  if (typeof value === "number") return Number.isInteger(value) ? "number" : `number ${value}`;
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** Values by key from the text of a daemon.json. Throws ConfigError with docker's words (without the file's name). */
export function parseFile(text: string): Map<string, unknown> {
  if (text.trim() === "") return new Map();
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`invalid JSON: ${(error as Error).message}`);
  }
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new ConfigError("json: the configuration must be an object");
  }
  const flat = flatten(raw as Record<string, unknown>);
  const unknown = Object.keys(flat).filter((key) => !byKey.has(key));
  if (unknown.length > 0) {
    throw new ConfigError(
      `the following directives don't match any configuration option: ${unknown.sort().join(", ")}`,
    );
  }
  const values = new Map<string, unknown>();
  for (const [key, value] of Object.entries(flat)) {
    if (value === null) continue;
    const parsed = fileTypes[byKey.get(key)!.type].safeParse(value);
    if (!parsed.success) {
      throw new ConfigError(mismatch(key, value, parsed.error.issues[0]!));
    }
    values.set(key, parsed.data);
  }
  return values;
}

/** Throws ConfigError naming every key that both give. */
export function refuseConflicts(
  flags: ReadonlyMap<string, unknown>,
  file: ReadonlyMap<string, unknown>,
): void {
  const both = [...file.keys()].filter((key) => flags.has(key));
  if (both.length === 0) return;
  throw new ConfigError(
    `the following directives are specified both as a flag and in the configuration file: ${both
      .map((key) => `${key}: (from flag: ${goValue(flags.get(key))}, from file: ${goValue(file.get(key))})`)
      .join(", ")}`,
  );
}

/** Reads the file. A missing default file is an empty one; a missing file that was asked for is an error. */
export function readConfigFile(path: string, askedFor: boolean): Map<string, unknown> {
  const prefix = `unable to configure the Docker daemon with file ${path}`;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && !askedFor) return new Map();
    throw new ConfigError(
      `${prefix}: ${code === "ENOENT" ? `open ${path}: no such file or directory` : message}`,
    );
  }
  try {
    return parseFile(text);
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${prefix}: ${error.message}`);
    throw error;
  }
}
