// -H addresses: unix://PATH, tcp://HOST:PORT, fd://NAME (moby: opts.ParseHost).
import type { Listen } from "./types.ts";
import { ConfigError } from "./values.ts";

export const DEFAULT_SOCKET = "/var/run/docker.sock";

/** @param tls decides the default port, 2376 instead of 2375. */
export function parseHost(value: string, tls: boolean): Listen {
  const host = value.trim();
  if (host === "") return { kind: "unix", path: DEFAULT_SOCKET };
  const at = host.indexOf("://");
  const scheme = at < 0 ? "tcp" : host.slice(0, at);
  const rest = at < 0 ? host : host.slice(at + 3);
  switch (scheme) {
    case "unix":
      if (rest.includes("://")) throw new ConfigError(`invalid proto, expected unix: ${value}`);
      return { kind: "unix", path: rest === "" ? DEFAULT_SOCKET : rest };
    case "fd":
      return { kind: "fd", name: rest };
    case "tcp":
      return parseTcp(rest, value, tls);
    default:
      throw new ConfigError(`invalid bind address format: ${value}`);
  }
}

function parseTcp(rest: string, value: string, tls: boolean): Listen {
  const match = /^(\[[0-9a-f:.]+\]|[^:/[\]]*)(?::(\d*))?\/?$/i.exec(rest);
  if (!match) throw new ConfigError(`invalid bind address format: ${value}`);
  const port = match[2] ? Number(match[2]) : tls ? 2376 : 2375;
  if (port > 65535) throw new ConfigError(`invalid bind address format: ${value}`);
  const name = match[1]!.replace(/^\[|\]$/g, "");
  return { kind: "tcp", host: name === "" || name === "localhost" ? "127.0.0.1" : name, port };
}
