// The options of the drivers that hand output on: syslog and journald. moby: daemon/logger/syslog, daemon/logger/journald
import { badRequest } from "../../errors.ts";

export type Transport =
  | { kind: "udp" | "tcp"; host: string; port: number }
  | { kind: "tls"; host: string; port: number; ca?: string; cert?: string; key?: string; verify: boolean }
  | { kind: "unix"; path: string }
  | { kind: "unixgram"; path: string };

export type SyslogFormat = "unix" | "rfc3164" | "rfc5424" | "rfc5424micro";

export interface SyslogOptions {
  /** Absent: the host's own, wherever its socket is. */
  transport?: Transport;
  /** Facility's number, not shifted. */
  facility: number;
  format: SyslogFormat;
}

type Options = Readonly<Record<string, string>>;

// RFC 3164, section 4.1.1.
const FACILITIES =
  "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp - - - - local0 local1 local2 local3 local4 local5 local6 local7".split(
    " ",
  );

const OWN: Readonly<Record<string, readonly string[]>> = {
  syslog: [
    "syslog-address",
    "syslog-facility",
    "syslog-format",
    "syslog-tls-ca-cert",
    "syslog-tls-cert",
    "syslog-tls-key",
    "syslog-tls-skip-verify",
  ],
  journald: [],
};

/** What every driver takes, and what is about the copy that `docker logs` reads. */
const COMMON = ["tag", "labels", "labels-regex", "env", "env-regex", "mode", "max-buffer-size"];
const CACHE = ["cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"];

function facility(text: string | undefined): number {
  if (text === undefined || text === "") return FACILITIES.indexOf("daemon");
  const named = FACILITIES.indexOf(text);
  if (text !== "-" && named >= 0) return named;
  if (/^\d+$/.test(text) && Number(text) <= 23) return Number(text);
  throw badRequest("invalid syslog facility");
}

function format(text: string | undefined): SyslogFormat {
  if (text === undefined || text === "") return "unix";
  if (text === "rfc3164" || text === "rfc5424" || text === "rfc5424micro") return text;
  throw badRequest("Invalid syslog format");
}

function transport(options: Options): Transport | undefined {
  const address = options["syslog-address"];
  if (address === undefined || address === "") return undefined;
  const match = /^([a-z0-9+]+):\/\/(.*)$/i.exec(address);
  if (!match) throw badRequest(`syslog-address should be in form proto://address, got ${address}`);
  const [, scheme, rest = ""] = match;
  switch (scheme) {
    case "unix":
    case "unixgram":
      if (!rest.startsWith("/")) throw badRequest(`syslog-address: ${rest} is no absolute path`);
      return { kind: scheme, path: rest };
    case "udp":
    case "tcp":
    case "tcp+tls": {
      const host = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(rest);
      const port = Number(host?.[3] ?? 514);
      if (!host || port > 65_535) throw badRequest(`syslog-address: invalid address ${rest}`);
      const where = { host: host[1] ?? (host[2] || "localhost"), port };
      if (scheme !== "tcp+tls") return { kind: scheme, ...where };
      return {
        kind: "tls",
        ...where,
        ca: options["syslog-tls-ca-cert"],
        cert: options["syslog-tls-cert"],
        key: options["syslog-tls-key"],
        verify: options["syslog-tls-skip-verify"] === undefined,
      };
    }
    default:
      throw badRequest(`unsupported scheme: '${scheme}'`);
  }
}

/** The drivers that hand output on. */
export const FORWARDING: ReadonlySet<string> = new Set(["syslog", "journald"]);

/** ApiError 400 for what is none. */
export function syslogOptions(options: Options): SyslogOptions {
  return {
    transport: transport(options),
    facility: facility(options["syslog-facility"]),
    format: format(options["syslog-format"]),
  };
}

/** Refuses options that a forwarding driver does not know, and values that it cannot take. ApiError 400. */
export function checkForwarding(driver: string, options: Options): void {
  const known = new Set([...COMMON, ...CACHE, ...OWN[driver]!]);
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw badRequest(`unknown log opt '${name}' for ${driver} log driver`);
  }
  if (driver === "syslog") syslogOptions(options);
}
