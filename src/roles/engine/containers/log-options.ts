// --log-opt of json-file → annotations for the shim, which writes the log (see the log contract in docs).
import { badRequest } from "../errors.ts";
import type { Container } from "./container.ts";
import { checkForwarding, FORWARDING } from "./log-forward/options.ts";
import { checkTag } from "./log-forward/tag.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 1 << 10, m: 1 << 20, g: 1 << 30 };

/** "10m" → bytes; "-1" is no limit. ApiError 400. */
export function parseSize(text: string): number {
  if (text === "-1") return -1;
  const match = /^(\d+(?:\.\d+)?)\s*([bkmg]?)i?b?$/i.exec(text.trim());
  if (!match) throw badRequest(`invalid size: '${text}'`);
  return Math.trunc(Number(match[1]) * UNITS[match[2]!.toLowerCase()]!);
}

/** What a log may grow to when nobody said anything. docker's json-file has no end; ours has. */
const DEFAULTS: Readonly<Record<string, { size: string; files: string }>> = {
  "json-file": { size: "100m", files: "3" },
  local: { size: "20m", files: "5" },
  // moby: daemon/logger/local, which is what its cache for such drivers is.
  syslog: { size: "20m", files: "5" },
  journald: { size: "20m", files: "5" },
};

const LOCAL: ReadonlySet<string> = new Set(["max-size", "max-file", "compress", "mode", "max-buffer-size"]);

const JSON_FILE: ReadonlySet<string> = new Set([
  "max-size",
  "max-file",
  "compress",
  "labels",
  "labels-regex",
  "env",
  "env-regex",
  "tag",
  "mode",
  "max-buffer-size",
]);

/** Refuses options that json-file does not know, with docker's words. */
export function checkLogOptions(driver: string, options: Readonly<Record<string, string>>): void {
  if (options["tag"] !== undefined) checkTag(options["tag"]);
  if (FORWARDING.has(driver)) checkForwarding(driver, options);
  if (driver !== "json-file" && driver !== "local") return;
  const known = driver === "local" ? LOCAL : JSON_FILE;
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw badRequest(`unknown log opt '${name}' for ${driver} log driver`);
  }
  if (options["max-size"] !== undefined) parseSize(options["max-size"]);
  const files = options["max-file"];
  if (files !== undefined && (!/^\d+$/.test(files) || Number(files) < 1)) {
    throw badRequest("max-file cannot be less than 1");
  }
}

/** When the log is rotated. */
export function logLimits(container: Container): { maxSize: number; maxFile: number } {
  const { Type, Config: options } = container.host.LogConfig;
  const { size, files } = DEFAULTS[Type] ?? DEFAULTS["json-file"]!;
  if (FORWARDING.has(Type)) {
    return {
      maxSize: parseSize(options["cache-max-size"] ?? size),
      maxFile: Number(options["cache-max-file"] ?? files),
    };
  }
  const maxSize = options["max-size"];
  return {
    maxSize: parseSize(maxSize ?? size),
    // A size without a count is one file for json-file, as docker has it.
    maxFile: Number(options["max-file"] ?? (maxSize !== undefined && Type === "json-file" ? "1" : files)),
  };
}

/** What our shim is told; nothing when the container has no log. */
export function logAnnotations(container: Container): Record<string, string> {
  if (!container.logs) return {};
  const { maxSize, maxFile } = logLimits(container);
  return {
    "bunker.log.driver": "json-file",
    "bunker.log.path": container.logPath,
    "bunker.log.max-size": String(maxSize),
    "bunker.log.max-file": String(maxFile),
  };
}
