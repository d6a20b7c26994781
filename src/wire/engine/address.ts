// Where the engine listens: unix://PATH, tcp://HOST:PORT, fd:// is the daemon's only. As the docker CLI reads DOCKER_HOST.

export interface TlsFiles {
  ca?: string;
  cert?: string;
  key?: string;
  /** false: any server certificate will do (--tls without --tlsverify). */
  verify: boolean;
}

export type EngineAddress =
  | { kind: "unix"; path: string; text: string }
  | { kind: "ssh"; host: string; text: string }
  | {
      kind: "tcp";
      hostname: string;
      port: number;
      text: string;
    };

export const DEFAULT_HOST = "unix:///var/run/docker.sock";

/** A host as given to -H → where to connect. Throws with docker's words. */
export function parseHost(host: string, tls = false): EngineAddress {
  const given = host.trim();
  if (given === "") return parseHost(DEFAULT_HOST);
  const [scheme, rest] = given.includes("://") ? split(given) : ["tcp", given];
  switch (scheme) {
    case "unix": {
      const path = rest === "" ? "/var/run/docker.sock" : rest;
      return { kind: "unix", path, text: `unix://${path}` };
    }
    case "tcp":
    case "http":
    case "https": {
      const authority = rest.replace(/\/.*$/, "");
      const match = /^(\[[0-9a-fA-F:.%]+\]|[^:[\]]*)(?::(\d*))?$/.exec(authority);
      if (!match) throw new Error(`unable to parse docker host \`${given}\``);
      const hostname = match[1] === "" ? "localhost" : match[1]!;
      const port = match[2] ? Number(match[2]) : tls ? 2376 : 2375;
      if (port > 65535) throw new Error(`invalid bind address (${given}): invalid port`);
      return { kind: "tcp", hostname, port, text: `tcp://${hostname}:${port}` };
    }
    case "ssh":
      return { kind: "ssh", host: given, text: given };
    default:
      throw new Error(`invalid bind address format: ${given}`);
  }
}

function split(text: string): [string, string] {
  const at = text.indexOf("://");
  return [text.slice(0, at), text.slice(at + 3)];
}
