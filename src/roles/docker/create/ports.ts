// -p and --expose → ExposedPorts and PortBindings.
import { isIP } from "./ip.ts";

export interface Binding {
  HostIp: string;
  HostPort: string;
}

export interface PortMappings {
  exposed: string[];
  bindings: Record<string, Binding[]>;
}

interface Range {
  from: number;
  to: number;
}

function parseRange(text: string): Range | undefined {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (!match) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  if (from > 65535 || to > 65535 || to < from) return undefined;
  return { from, to };
}

/** One -p: [[IP:]HOST:]CONTAINER[/PROTO], each port maybe a range. Throws with docker's words. */
export function parsePublish(spec: string): [string, Binding][] {
  const slash = spec.indexOf("/");
  const proto = slash < 0 ? "tcp" : spec.slice(slash + 1).toLowerCase();
  const text = slash < 0 ? spec : spec.slice(0, slash);
  const last = text.lastIndexOf(":");
  const containerText = text.slice(last + 1);
  const before = last < 0 ? "" : text.slice(0, last);
  const middle = before.lastIndexOf(":");
  const hostText = before.slice(middle + 1);
  let ip = middle < 0 ? "" : before.slice(0, middle);
  if (ip.startsWith("[") && ip.endsWith("]")) ip = ip.slice(1, -1);
  if (ip !== "" && isIP(ip) === 0) throw new Error(`invalid IP address: ${ip}`);
  if (containerText === "") throw new Error(`no port specified: ${spec}<empty>`);
  const container = parseRange(containerText);
  if (!container) throw new Error(`invalid containerPort: ${containerText}`);
  let host: Range | undefined;
  if (hostText !== "") {
    host = parseRange(hostText);
    if (!host) throw new Error(`invalid hostPort: ${hostText}`);
    // A host range for one container port is a choice left to the engine.
    if (host.to - host.from !== container.to - container.from && container.from !== container.to) {
      throw new Error(
        `invalid ranges specified for container and host Ports: ${containerText} and ${hostText}`,
      );
    }
  }
  if (!["tcp", "udp", "sctp"].includes(proto)) throw new Error(`invalid proto: ${proto}`);
  const result: [string, Binding][] = [];
  for (let port = container.from; port <= container.to; port++) {
    let hostPort = host === undefined ? "" : String(host.from + port - container.from);
    if (host && container.from === container.to && host.from !== host.to)
      hostPort = `${host.from}-${host.to}`;
    result.push([`${port}/${proto}`, { HostIp: ip, HostPort: hostPort }]);
  }
  return result;
}

// "published=80,target=80,protocol=tcp": the long form, one port each.
function longForm(spec: string): string | undefined {
  if (!/(^|,)\s*(target|published|protocol|mode)=/.test(spec)) return undefined;
  const fields = new Map(spec.split(",").map((field) => field.trim().split("=", 2) as [string, string]));
  for (const key of fields.keys()) {
    if (!["target", "published", "protocol", "mode"].includes(key))
      throw new Error(`invalid field key ${key}`);
  }
  const target = fields.get("target") ?? "";
  const published = fields.get("published");
  return `${published ? `${published}:` : ""}${target}/${fields.get("protocol") ?? "tcp"}`;
}

/** All -p and --expose of a command line. Throws with docker's words. */
export function parsePorts(publish: readonly string[], expose: readonly string[]): PortMappings {
  const exposed = new Set<string>();
  const bindings: Record<string, Binding[]> = {};
  for (const spec of publish) {
    for (const [port, binding] of parsePublish(longForm(spec) ?? spec)) {
      exposed.add(port);
      bindings[port] = [...(bindings[port] ?? []), binding];
    }
  }
  for (const spec of expose) {
    if (spec.includes(":")) throw new Error(`invalid port format for --expose: ${spec}`);
    const [ports = "", proto = "tcp"] = spec.split("/", 2);
    const range = parseRange(ports);
    if (!range) {
      const part = ports.split("-").find((one) => !/^\d+$/.test(one)) ?? ports;
      throw new Error(
        `invalid range format for --expose: ${spec}, error: strconv.ParseUint: parsing ${JSON.stringify(part)}: ${/^\d+$/.test(part) ? "value out of range" : "invalid syntax"}`,
      );
    }
    for (let port = range.from; port <= range.to; port++) exposed.add(`${port}/${proto.toLowerCase()}`);
  }
  return { exposed: [...exposed], bindings };
}
