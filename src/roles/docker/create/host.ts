// Single-flag parts of HostConfig that need more than copying.
import { readFileSync } from "node:fs";
import type { Flags } from "../flags/flagset.ts";
import { keyValues } from "./files.ts";

export interface RestartPolicy {
  Name: string;
  MaximumRetryCount: number;
}

/** --restart NAME[:MAX] */
export function parseRestart(text: string): RestartPolicy {
  if (text === "") return { Name: "", MaximumRetryCount: 0 };
  const [name = "", maximum, ...more] = text.split(":");
  if (name === "") throw new Error("invalid restart policy format: no policy provided before colon");
  if (maximum === undefined) return { Name: name, MaximumRetryCount: 0 };
  if (more.length > 0) throw new Error("invalid restart policy format: too many colons");
  if (!/^[+-]?\d+$/.test(maximum)) {
    throw new Error("invalid restart policy format: maximum retry count must be an integer");
  }
  return { Name: name, MaximumRetryCount: Number(maximum) };
}

export interface Device {
  PathOnHost: string;
  PathInContainer: string;
  CgroupPermissions: string;
}

const permissions = (text: string) => /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;

/** A --device that names a CDI device ("vendor.com/class=name"), which is a device request. */
export const isCdi = (text: string) => /^[a-zA-Z][\w.-]*\/[a-zA-Z][\w.-]*=[\w.:-]+$/.test(text);

/** --device HOST[:CONTAINER][:rwm] */
export function parseDevice(text: string): Device {
  const parts = text.split(":");
  if (parts.length > 3) throw new Error(`bad format for path: ${text}`);
  const [source = "", second, third] = parts;
  const check = (path: string) => {
    if (!path.startsWith("/")) throw new Error(`${path} is not an absolute path`);
  };
  let target = source;
  let mode = "rwm";
  if (third !== undefined) {
    if (!permissions(third)) throw new Error(`bad mode specified: ${third}`);
    mode = third;
    target = second ?? source;
  } else if (second !== undefined && second !== "") {
    if (permissions(second)) mode = second;
    else target = second;
  }
  check(target);
  return { PathOnHost: source, PathInContainer: target, CgroupPermissions: mode };
}

/** --security-opt: a seccomp profile's file is read here, since the engine may be elsewhere. */
export function parseSecurity(options: readonly string[]): {
  options: string[] | null;
  masked: string[] | null;
  readonly: string[] | null;
} {
  let masked: string[] | null = null;
  let readonly: string[] | null = null;
  const result: string[] = [];
  for (const option of options) {
    if (option === "systempaths=unconfined") {
      masked = [];
      readonly = [];
      continue;
    }
    const at = option.search(/[=:]/);
    if (at < 0 && option !== "no-new-privileges" && option !== "disable") {
      throw new Error(`Invalid --security-opt: ${JSON.stringify(option)}`);
    }
    const key = at < 0 ? option : option.slice(0, at);
    const value = at < 0 ? "" : option.slice(at + 1);
    if (key === "seccomp" && !["unconfined", "builtin"].includes(value)) {
      let text: string;
      try {
        text = readFileSync(value, "utf8");
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        throw new Error(
          `opening seccomp profile (${value}) failed: open ${value}: ${code === "ENOENT" ? "no such file or directory" : code}`,
        );
      }
      try {
        result.push(`seccomp=${JSON.stringify(JSON.parse(text))}`);
      } catch (error) {
        throw new Error(`compacting json for seccomp profile (${value}) failed: ${(error as Error).message}`);
      }
      continue;
    }
    result.push(option);
  }
  return { options: options.length > 0 ? result : null, masked, readonly };
}

/** --cap-add and --cap-drop in the kernel's names, sorted; what is both added and dropped is added. */
export function parseCapabilities(add: readonly string[], drop: readonly string[]): [string[], string[]] {
  const names = (list: readonly string[]) => {
    const full = list.map((name) => {
      const upper = name.trim().toUpperCase();
      return upper === "ALL" || upper === "RESET" || upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    });
    return [...new Set(full)].sort();
  };
  const added = names(add);
  return [added, names(drop).filter((name) => !added.includes(name))];
}

/** --storage-opt KEY=VALUE … */
export function parseStorage(options: readonly string[]): Record<string, string> | undefined {
  if (options.length === 0) return undefined;
  if (options.some((option) => !option.includes("="))) throw new Error("invalid storage option");
  return keyValues(options);
}

export interface Healthcheck {
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

/** --health-* and --no-healthcheck. undefined: the image's own. */
export function parseHealth(flags: Flags): Healthcheck | undefined {
  const durations = [
    ["health-interval", "Interval"],
    ["health-timeout", "Timeout"],
    ["health-start-period", "StartPeriod"],
    ["health-start-interval", "StartInterval"],
  ] as const;
  const own =
    flags.string("health-cmd") !== "" ||
    flags.number("health-retries") !== 0 ||
    durations.some(([flag]) => flags.number(flag) !== 0);
  if (flags.bool("no-healthcheck")) {
    if (own) throw new Error("--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  if (!own) return undefined;
  const check: Healthcheck = {};
  if (flags.string("health-cmd") !== "") check.Test = ["CMD-SHELL", flags.string("health-cmd")];
  for (const [flag, field] of durations) {
    const value = flags.number(flag);
    if (value < 0) throw new Error(`--${flag} cannot be negative`);
    if (value !== 0) check[field] = value;
  }
  const retries = flags.number("health-retries");
  if (retries < 0) throw new Error("--health-retries cannot be negative");
  if (retries !== 0) check.Retries = retries;
  return check;
}

/** --pid, --uts, --userns, --cgroupns: the words each knows. */
export function checkModes(flags: Flags): void {
  const container = (mode: string) => /^container:.+/.test(mode);
  const pid = flags.string("pid");
  if (pid !== "" && pid !== "host" && !container(pid)) throw new Error("--pid: invalid PID mode");
  const uts = flags.string("uts");
  if (uts !== "" && uts !== "host") throw new Error("--uts: invalid UTS mode");
  const userns = flags.string("userns");
  if (userns !== "" && userns !== "host") throw new Error("--userns: invalid USER mode");
  const cgroupns = flags.string("cgroupns");
  if (!["", "host", "private"].includes(cgroupns)) throw new Error("--cgroupns: invalid CGROUP mode");
}
