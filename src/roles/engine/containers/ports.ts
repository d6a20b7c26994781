// -p, -P and EXPOSE → what the network publishes, and back into the shapes that inspect and list show.
import type { ContainerConfig, PortSummary } from "../../../spec/engine/container.ts";
import type { HostConfig, PortMap } from "../../../spec/engine/host-config.ts";
import { badRequest } from "../errors.ts";
import type { Endpoint, PortRequest } from "../network/types.ts";

type Protocol = PortRequest["protocol"];

/** "80/tcp" → number and protocol. ApiError 400. */
export function parsePort(text: string): { port: number; protocol: Protocol } {
  const [number = "", protocol = "tcp"] = text.split("/");
  const port = Number(number);
  if (!/^\d+$/.test(number) || port > 65535) throw badRequest(`invalid port specification: "${text}"`);
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") {
    throw badRequest(`invalid port specification: "${text}"`);
  }
  return { port, protocol };
}

function hostRange(text: string): { first: number; last: number } {
  if (text === "") return { first: 0, last: 0 };
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || last > 65535 || first > last) throw badRequest(`invalid port specification: "${text}"`);
  return { first, last };
}

/** All ports to publish. ApiError 400 for what is no port. */
export function portRequests(config: ContainerConfig, host: HostConfig): PortRequest[] {
  const requests: PortRequest[] = [];
  const bindings = host.PortBindings ?? {};
  for (const [key, list] of Object.entries(bindings)) {
    const { port, protocol } = parsePort(key);
    for (const binding of list?.length ? list : [{ HostIp: "", HostPort: "" }]) {
      const { first, last } = hostRange(binding.HostPort);
      requests.push({
        containerPort: port,
        protocol,
        hostIp: binding.HostIp,
        hostPort: first,
        hostPortEnd: last,
      });
    }
  }
  if (host.PublishAllPorts) {
    for (const key of Object.keys(config.ExposedPorts ?? {})) {
      const { port, protocol } = parsePort(key);
      if (bindings[key]?.length || bindings[`${port}/${protocol}`]?.length) continue;
      requests.push({ containerPort: port, protocol, hostIp: "", hostPort: 0, hostPortEnd: 0 });
    }
  }
  return requests;
}

/** NetworkSettings.Ports of a running container: what is published, and null for what is only exposed. */
export function portMap(config: ContainerConfig, endpoints: readonly Endpoint[]): PortMap {
  const map: PortMap = {};
  for (const key of Object.keys(config.ExposedPorts ?? {})) {
    const { port, protocol } = parsePort(key);
    map[`${port}/${protocol}`] = null;
  }
  for (const endpoint of endpoints) {
    for (const [key, published] of Object.entries(endpoint.ports)) {
      if (published.length === 0) continue;
      const list = published.map(({ hostIp, hostPort }) => ({
        HostIp: hostIp || "0.0.0.0",
        HostPort: String(hostPort),
      }));
      map[key] = [...(map[key] ?? []), ...list];
    }
  }
  return map;
}

/** The same as `docker ps` shows it. */
export function portSummaries(map: PortMap): PortSummary[] {
  const list: PortSummary[] = [];
  for (const [key, published] of Object.entries(map)) {
    const { port, protocol } = parsePort(key);
    if (!published) list.push({ PrivatePort: port, Type: protocol });
    for (const { HostIp, HostPort } of published ?? []) {
      list.push({ IP: HostIp, PrivatePort: port, PublicPort: Number(HostPort), Type: protocol });
    }
  }
  return list.sort((a, b) => a.PrivatePort - b.PrivatePort);
}
