// A container's ports in one line: "0.0.0.0:8080->80/tcp, 443/tcp", runs of equal mappings as ranges.
import type { PortSummary } from "../../../spec/engine/container.ts";

const joined = (ip: string, port: string | number) =>
  ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;

interface Run {
  ip: string;
  type: string;
  first: number;
  last: number;
}

function runText({ ip, type, first, last }: Run): string {
  const ports = first === last ? String(first) : `${first}-${last}`;
  return `${ip === "" ? ports : `${joined(ip, ports)}->${ports}`}/${type}`;
}

/** As the PORTS column of `docker ps`. */
export function displayPorts(ports: readonly PortSummary[]): string {
  const sorted = [...ports].sort(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      ((a.IP ?? "") < (b.IP ?? "") ? -1 : (a.IP ?? "") > (b.IP ?? "") ? 1 : 0) ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      (a.Type < b.Type ? -1 : a.Type > b.Type ? 1 : 0),
  );
  const runs = new Map<string, Run>();
  const done: string[] = [];
  const mapped: string[] = [];
  for (const { IP: ip = "", PrivatePort: port, PublicPort: host = 0, Type: type } of sorted) {
    if (ip !== "" && host !== port) {
      mapped.push(`${joined(ip, host)}->${port}/${type}`);
      continue;
    }
    const key = `${ip}/${type}`;
    const run = runs.get(key);
    if (run && port === run.last + 1) {
      run.last = port;
      continue;
    }
    if (run) done.push(runText(run));
    // A key keeps the place of its first port.
    if (run) Object.assign(run, { first: port, last: port });
    else runs.set(key, { ip, type, first: port, last: port });
  }
  return [...done, ...[...runs.values()].map(runText), ...mapped].join(", ");
}
