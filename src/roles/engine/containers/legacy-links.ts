// `--link` on the default bridge, which has no names of its own: lines in /etc/hosts and variables. A link is kept in the host
// configuration as "<id>:<alias>", so that it holds through renames. On other networks links are names of the resolver's.
import { readFileSync, writeFileSync } from "node:fs";
import { log } from "../../../observe/log.ts";
import type { HostConfig } from "../../../spec/engine/host-config.ts";
import { ApiError, badRequest, notFound } from "../errors.ts";
import type { Container } from "./container.ts";
import { parsePort } from "./ports.ts";
import { persist, type Room } from "./room.ts";

export interface Link {
  alias: string;
  child: Container;
}

const DEFAULT = "bridge";
const onDefault = (mode: string): boolean => mode === "" || mode === "default" || mode === DEFAULT;

/** "db", "db:data" or, out of another container's inspect, "/db:/web/data". ApiError 400. */
function parseLink(text: string): { name: string; alias: string } {
  const [name = "", alias = name, ...more] = text.split(":");
  if (text === "") throw badRequest("empty string specified for links");
  if (more.length > 0) throw badRequest(`bad format for links: ${text}`);
  return { name: name.replace(/^\//, ""), alias: alias.slice(alias.lastIndexOf("/") + 1) };
}

/** The host configuration of a new container with its links settled. ApiError 400 for one that leads nowhere. */
export function settleLinks(room: Room, host: HostConfig): HostConfig {
  if (!host.Links?.length || !onDefault(host.NetworkMode)) return host;
  const links = host.Links.map((text) => {
    const { name, alias } = parseLink(text);
    let child = room.registry.find(name);
    // One that uses another's network is found there.
    for (;;) {
      if (!child) throw badRequest(`could not get container for ${name}: No such container: ${name}`);
      const joined = child.joins(child.host.NetworkMode);
      if (!joined) break;
      child = room.registry.find(joined.container);
    }
    if (child.host.NetworkMode === "host") {
      throw badRequest(
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
      );
    }
    return `${child.id}:${alias}`;
  });
  return { ...host, Links: links };
}

/** A container's links; those whose container is gone are left out. */
export function linksOf(room: Room, container: Container): Link[] {
  if (!onDefault(container.host.NetworkMode)) return [];
  return (container.host.Links ?? []).flatMap((text) => {
    const at = text.indexOf(":");
    const child = room.registry.find(text.slice(0, at));
    return child ? [{ alias: text.slice(at + 1), child }] : [];
  });
}

/** As inspect shows them. */
export function shownLinks(room: Room, container: Container): string[] | null {
  if (!onDefault(container.host.NetworkMode)) return container.host.Links;
  const links = linksOf(room, container).map(
    ({ alias, child }) => `/${child.name}:/${container.name}/${alias}`,
  );
  return links.length > 0 ? links : null;
}

/** Names that containers have for others, as list shows them ("/web/data"), by the other's id. */
export function namesByLink(room: Room): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const parent of room.registry.list()) {
    if (!parent.host.Links?.length) continue;
    for (const { alias, child } of linksOf(room, parent)) {
      names.set(child.id, [...(names.get(child.id) ?? []), `/${parent.name}/${alias}`]);
    }
  }
  return names;
}

function addressOf(room: Room, { id }: Container): string | undefined {
  const endpoint = room.engine.networks.endpoints(id).find(({ networkName }) => networkName === DEFAULT);
  return endpoint?.ipAddress || undefined;
}

/** Links of a container that starts. ApiError 500 in docker's words where one leads to a container that cannot be reached. */
export function liveLinks(room: Room, container: Container): Link[] {
  const links = linksOf(room, container);
  for (const { alias, child } of links) {
    if (!child.state.running) {
      throw new ApiError(
        500,
        `Cannot link to a non running container: /${child.name} AS /${container.name}/${alias}`,
      );
    }
    if (!child.record.Networks[DEFAULT]) {
      throw new ApiError(500, `Cannot link to /${child.name}, as it does not belong to the default network`);
    }
  }
  return links;
}

/** Lines of /etc/hosts: alias, host name and name of each. */
export function linkHosts(room: Room, links: readonly Link[]): string[] {
  return links.flatMap(({ alias, child }) => {
    const names = [alias, child.record.Config.Hostname, ...(alias === child.name ? [] : [child.name])];
    const address = addressOf(room, child);
    return address ? [`${address}\t${names.filter(Boolean).join(" ")}`] : [];
  });
}

/** Exposed ports, TCP first, by number. */
function exposed({ record }: Container): { port: number; protocol: string }[] {
  return Object.keys(record.Config.ExposedPorts ?? {})
    .map(parsePort)
    .sort((a, b) =>
      a.protocol === b.protocol ? a.port - b.port : a.protocol === "tcp" || a.protocol < b.protocol ? -1 : 1,
    );
}

/** DATA_PORT=tcp://172.17.0.2:5432, DATA_ENV_X=… and the others that docker makes of a link. */
export function linkEnvironment(room: Room, container: Container): string[] {
  return linksOf(room, container).flatMap(({ alias, child }) => {
    const address = addressOf(room, child);
    if (!address) return [];
    const name = alias.toUpperCase().replaceAll("-", "_");
    const ports = exposed(child);
    const url = ({ port, protocol }: { port: number; protocol: string }) =>
      `${protocol}://${address}:${port}`;
    const prefix = ({ port, protocol }: { port: number; protocol: string }) =>
      `${name}_PORT_${port}_${protocol.toUpperCase()}`;
    // Ports in a row are told as a range as well, after the last of them.
    const range = (at: number): string[] => {
      const next = ports[at + 1];
      const last = ports[at]!;
      if (next && next.protocol === last.protocol && next.port === last.port + 1) return [];
      let first = at;
      while (first > 0 && follows(ports[first - 1]!, ports[first]!)) first--;
      if (first === at) return [];
      const start = prefix(ports[first]!);
      return [
        `${start}_START=${url(ports[first]!)}`,
        `${start}_PORT_START=${ports[first]!.port}`,
        `${start}_END=${url(last)}`,
        `${start}_PORT_END=${last.port}`,
      ];
    };
    return [
      ...ports.slice(0, 1).map((port) => `${name}_PORT=${url(port)}`),
      ...ports.flatMap((port, at) => [
        `${prefix(port)}=${url(port)}`,
        `${prefix(port)}_ADDR=${address}`,
        `${prefix(port)}_PORT=${port.port}`,
        `${prefix(port)}_PROTO=${port.protocol}`,
        ...range(at),
      ]),
      `${name}_NAME=/${container.name}/${alias}`,
      ...(child.record.Config.Env ?? [])
        .filter((entry) => entry.includes("=") && !/^(HOME|PATH)=/.test(entry))
        .map((entry) => `${name}_ENV_${entry}`),
    ];
  });
}

const follows = (
  one: { port: number; protocol: string },
  next: { port: number; protocol: string },
): boolean => one.protocol === next.protocol && one.port + 1 === next.port;

/** A container started, perhaps at another address: those that link to it find it there. Their variables stay as they were. */
export function refreshParents(room: Room, container: Container): void {
  for (const parent of room.registry.list()) {
    if (!parent.state.running || !parent.host.Links?.length) continue;
    const links = linksOf(room, parent).filter(({ child }) => child === container);
    if (links.length === 0) continue;
    const lines = linkHosts(room, links);
    const known = new Set(lines.map((line) => line.replace(/^\S+\t/, "")));
    try {
      const rest = readFileSync(parent.record.HostsPath, "utf8")
        .split("\n")
        .filter((line) => line !== "" && !known.has(line.replace(/^\S+\t/, "")));
      // In place: the file is mounted into the container.
      writeFileSync(parent.record.HostsPath, `${[...rest, ...lines].join("\n")}\n`);
    } catch (error) {
      log("warning", "a linked container's new address cannot be told", { container: parent.id, error });
    }
  }
}

/** `docker rm --link /web/data`: web does not know it as data any more. ApiError 404. */
export function removeLink(room: Room, reference: string): void {
  const [parentName = "", alias = ""] = reference.replace(/^\//, "").split("/");
  if (alias === "") throw badRequest("Conflict, cannot remove the default link name of the container");
  const parent = room.registry.find(parentName);
  const link = parent && linksOf(room, parent).find((one) => one.alias === alias);
  if (!parent || !link) throw notFound(`No such link: ${reference}`);
  parent.host = {
    ...parent.host,
    Links: (parent.host.Links ?? []).filter((text) => text !== `${link.child.id}:${alias}`),
  };
  room.disk.saveHost(parent.id, parent.host);
  persist(room, parent);
}
