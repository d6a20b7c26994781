// What one flag value must look like, told at once with the flag's name (the rest is checked when the request is built).

import { parseBytes, parseInt64 } from "../flags/values.ts";
import { isIP } from "./ip.ts";

/** NAME or NAME=VALUE; a bare NAME takes its value from our own environment, and none when it is not there. */
export function checkEnv(value: string): string {
  const equals = value.indexOf("=");
  if (value === "" || equals === 0) throw new Error(`invalid environment variable: ${value}`);
  if (equals > 0) return value;
  const own = process.env[value];
  return own === undefined ? value : `${value}=${own}`;
}

export function checkLabel(value: string): string {
  if (value.startsWith("=")) throw new Error(`invalid label '${value}': empty name`);
  return value;
}

/** HOST:IP or HOST=IP → HOST:IP; host-gateway is the engine's word. */
export function checkHost(value: string): string {
  const at = value.search(/[=:]/);
  if (at <= 0) throw new Error(`bad format for add-host: ${JSON.stringify(value)}`);
  const name = value.slice(0, at);
  let address = value.slice(at + 1);
  if (address === "") throw new Error(`bad format for add-host: ${JSON.stringify(value)}`);
  if (address === "host-gateway") return `${name}:${address}`;
  if (address.startsWith("[") && address.endsWith("]")) address = address.slice(1, -1);
  if (isIP(address) === 0) throw new Error(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  return `${name}:${address}`;
}

export function checkIp(value: string): string {
  const address = value.trim();
  if (isIP(address) === 0) throw new Error(`IP address is not correctly formatted: ${value}`);
  return address;
}

export function checkDnsSearch(value: string): string {
  const domain = value.trim();
  if (domain === ".") return domain;
  if (
    !/^(?:[a-zA-Z0-9_](?:[a-zA-Z0-9_-]*[a-zA-Z0-9_])?)(?:\.[a-zA-Z0-9_](?:[a-zA-Z0-9_-]*[a-zA-Z0-9_])?)*\.?$/.test(
      domain,
    )
  ) {
    throw new Error(`${value} is not a valid domain`);
  }
  return domain;
}

/** NAME or NAME:ALIAS. */
export function checkLink(value: string): string {
  const parts = value.split(":");
  if (value === "") throw new Error("empty string specified for links");
  if (parts.length > 2) throw new Error(`bad format for links: ${value}`);
  return value;
}

export function checkAttach(value: string): string {
  const stream = value.toLowerCase();
  if (!["stdin", "stdout", "stderr"].includes(stream)) {
    throw new Error("valid streams are STDIN, STDOUT and STDERR");
  }
  return stream;
}

const SYSCTLS = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

/** KEY=VALUE of a sysctl that has a namespace. */
export function checkSysctl(value: string): string {
  const key = value.split("=", 1)[0]!;
  if (!value.includes("=") || !(SYSCTLS.has(key) || key.startsWith("net.") || key.startsWith("fs.mqueue."))) {
    throw new Error(`sysctl '${value}' is not allowed`);
  }
  return value;
}

export function checkDeviceRule(value: string): string {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(value)) {
    throw new Error(`invalid device cgroup format '${value}'`);
  }
  return value;
}

export interface Ulimit {
  Name: string;
  Hard: number;
  Soft: number;
}

const RLIMITS = new Set(
  "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(
    " ",
  ),
);

/** NAME=SOFT[:HARD] */
export function parseUlimit(value: string): Ulimit {
  const equals = value.indexOf("=");
  if (equals < 0) throw new Error(`invalid ulimit argument: ${value}`);
  const name = value.slice(0, equals);
  if (!RLIMITS.has(name)) throw new Error(`invalid ulimit type: ${name}`);
  const limits = value.slice(equals + 1).split(":");
  if (limits.length > 2) {
    throw new Error(
      `too many limit value arguments - ${value.slice(equals + 1)}, can only have up to two, \`soft[:hard]\``,
    );
  }
  const soft = parseInt64(limits[0]!);
  const hard = limits[1] === undefined || limits[1] === "" ? soft : parseInt64(limits[1]);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { Name: name, Hard: hard, Soft: soft };
}

export interface Throttle {
  Path: string;
  Rate: number;
}

function devicePath(value: string): [string, string] {
  const at = value.indexOf(":");
  if (at <= 0) throw new Error(`bad format: ${value}`);
  const path = value.slice(0, at);
  if (!path.startsWith("/dev/")) throw new Error(`bad format for device path: ${value}`);
  return [path, value.slice(at + 1)];
}

/** /dev/NAME:RATE in bytes, with units. */
export function parseBps(value: string): Throttle {
  const [Path, rate] = devicePath(value);
  try {
    return { Path, Rate: parseBytes(rate) };
  } catch {
    throw new Error(
      `invalid rate for device: ${value}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
    );
  }
}

/** /dev/NAME:RATE in operations a second. */
export function parseIops(value: string): Throttle {
  const [Path, rate] = devicePath(value);
  if (!/^\d+$/.test(rate)) {
    throw new Error(
      `invalid rate for device: ${value}. The correct format is <device-path>:<number>. Number must be a positive integer`,
    );
  }
  return { Path, Rate: Number(rate) };
}

/** /dev/NAME:WEIGHT */
export function parseWeight(value: string): { Path: string; Weight: number } {
  const [Path, weight] = devicePath(value);
  const number = Number(weight);
  if (!/^\d+$/.test(weight) || (number > 0 && (number < 10 || number > 1000))) {
    throw new Error(`invalid weight for device: ${value}`);
  }
  return { Path, Weight: number };
}

/** Keeps the text when `parse` accepts it. */
export function valid(parse: (value: string) => unknown): (value: string) => string {
  return (value) => {
    parse(value);
    return value;
  };
}
