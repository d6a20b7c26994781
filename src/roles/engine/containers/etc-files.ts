// /etc/hostname, /etc/hosts and /etc/resolv.conf of a container: files in its directory, bind-mounted.
import { chownSync, readFileSync, writeFileSync } from "node:fs";
import { hostname as ownHostname } from "node:os";
import { RESOLVER_ADDRESS } from "../../../wire/keeper/record.ts";
import type { Owner } from "../config/remap.ts";
import type { EngineConfig } from "../config/types.ts";
import { badRequest } from "../errors.ts";
import type { Endpoint } from "../network/types.ts";
import type { Container } from "./container.ts";

const LOCAL_HOSTS = [
  "127.0.0.1\tlocalhost",
  "::1\tlocalhost ip6-localhost ip6-loopback",
  "fe00::\tip6-localnet",
  "ff00::\tip6-mcastprefix",
  "ff02::1\tip6-allnodes",
  "ff02::2\tip6-allrouters",
];

/** When the host has no resolver that a container could reach. */
const FALLBACK_SERVERS = ["8.8.8.8", "8.8.4.4"];

/** systemd-resolved's own file; /etc/resolv.conf then names only its stub at 127.0.0.53. */
const RESOLVED = "/run/systemd/resolve/resolv.conf";

/** The name that the container's UTS namespace gets. */
export function hostnameOf(container: Container): string {
  return container.record.Config.Hostname || ownHostname();
}

/** `--add-host name:ip`, with host-gateway for the host itself. */
export function extraHosts(list: readonly string[] | null, gateways: readonly string[]): string[] {
  return (list ?? []).flatMap((entry) => {
    const at = entry.search(/[:=]/);
    const name = entry.slice(0, at);
    const address = entry.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
    if (at < 1 || address === "") throw badRequest(`bad format for add-host: "${entry}"`);
    if (address !== "host-gateway") return [`${address}\t${name}`];
    if (gateways.length === 0) {
      throw badRequest("unable to derive the IP value for host-gateway");
    }
    return gateways.map((gateway) => `${gateway}\t${name}`);
  });
}

export function hostsFile(
  hostname: string,
  domainname: string,
  endpoints: readonly Endpoint[],
  extra: readonly string[],
): string {
  const names = domainname === "" ? hostname : `${hostname}.${domainname} ${hostname}`;
  const own = endpoints
    .flatMap((endpoint) => [endpoint.ipAddress, endpoint.ip6Address])
    .filter((address) => address !== "")
    .map((address) => `${address}\t${names}`);
  return `${[...LOCAL_HOSTS, ...extra, ...own].join("\n")}\n`;
}

export interface ResolverOptions {
  servers: readonly string[];
  search: readonly string[];
  options: readonly string[];
}

/** The host's resolv.conf with what a container can use of it, and the user's own settings over it. */
export function resolverFile(hostText: string, own: ResolverOptions): string {
  const values = (keyword: string): string[] =>
    hostText
      .split("\n")
      .map((line) =>
        line
          .replace(/[#;].*/, "")
          .trim()
          .split(/\s+/),
      )
      .filter(([word]) => word === keyword)
      .flatMap(([, ...rest]) => rest);
  const loopback = (address: string): boolean => /^127\.|^::1$/.test(address);
  let servers =
    own.servers.length > 0 ? [...own.servers] : values("nameserver").filter((address) => !loopback(address));
  if (servers.length === 0) servers = FALLBACK_SERVERS;
  const search = own.search.length > 0 ? [...own.search] : values("search");
  const options = own.options.length > 0 ? [...own.options] : values("options");
  const lines = servers.map((address) => `nameserver ${address}`);
  // `--dns-search .` means none.
  if (search.length > 0 && !(search.length === 1 && search[0] === "."))
    lines.push(`search ${search.join(" ")}`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}`);
  return `${lines.join("\n")}\n`;
}

function hostResolver(): string {
  const read = (path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  };
  const text = read("/etc/resolv.conf");
  const servers = text.match(/^\s*nameserver\s+\S+/gm) ?? [];
  return servers.length > 0 && servers.every((line) => line.includes("127.0.0.53"))
    ? read(RESOLVED) || text
    : text;
}

/**
 * Writes the three files of a container that is about to start. They are derived, so they need not be durable.
 * `links`: further lines of /etc/hosts; `owner`: the container's root, when it is not the host's.
 */
export function writeEtcFiles(
  container: Container,
  endpoints: readonly Endpoint[],
  config: EngineConfig,
  links: readonly string[] = [],
  owner?: Owner,
): void {
  const { record, host } = container;
  // It has the files of the container whose network it shares.
  if (container.joins(host.NetworkMode)) return;
  const hostname = hostnameOf(container);
  const onHost = host.NetworkMode === "host";
  const gateways =
    config.network.hostGatewayIps.length > 0
      ? config.network.hostGatewayIps
      : endpoints.slice(0, 1).map((endpoint) => endpoint.gateway);
  const extra = extraHosts(host.ExtraHosts, onHost ? ["127.0.0.1"] : gateways);
  const hosts = onHost
    ? `${hostText("/etc/hosts")}${extra.map((line) => `${line}\n`).join("")}`
    : hostsFile(hostname, record.Config.Domainname, endpoints, [...extra, ...links]);
  writeFileSync(record.HostnamePath, `${hostname}\n`, { mode: 0o644 });
  writeFileSync(record.HostsPath, hosts, { mode: 0o644 });
  writeResolvConf(container, endpoints, config);
  if (!owner) return;
  for (const path of [record.HostnamePath, record.HostsPath, record.ResolvConfPath])
    chownSync(path, owner.uid, owner.gid);
}

/** resolv.conf: of the engine's own resolver where a network of the container's has names, of outside ones otherwise. */
export function writeResolvConf(
  container: Container,
  endpoints: readonly Endpoint[],
  config: EngineConfig,
): void {
  const { record, host } = container;
  const own: ResolverOptions = {
    servers: host.Dns?.length ? host.Dns : config.network.dns,
    search: host.DnsSearch?.length ? host.DnsSearch : config.network.dnsSearch,
    options: host.DnsOptions?.length ? host.DnsOptions : config.network.dnsOptions,
  };
  const named = endpoints.some((endpoint) => endpoint.dnsNames.length > 0);
  // The host's own loopback resolver serves a container that shares its network.
  const asHost = host.NetworkMode === "host" && own.servers.length === 0;
  const text = named
    ? internalResolverFile(hostResolver(), own)
    : asHost
      ? hostText("/etc/resolv.conf")
      : resolverFile(hostResolver(), own);
  writeFileSync(record.ResolvConfPath, text, { mode: 0o644 });
}

/** Names are whole as they are: no search domain is tried before the name itself, unless the user says so. */
function internalResolverFile(hostText: string, own: ResolverOptions): string {
  const text = resolverFile(hostText, { ...own, servers: [RESOLVER_ADDRESS] });
  if (/^options .*\bndots:/m.test(text)) return text;
  return /^options /m.test(text)
    ? text.replace(/^options (.*)$/m, "options $1 ndots:0")
    : `${text}options ndots:0\n`;
}

/** A running container joined or left a network: its own addresses in /etc/hosts, and its resolver. The rest of the files stays. */
export function refreshEtcFiles(
  container: Container,
  endpoints: readonly Endpoint[],
  config: EngineConfig,
  change: { joined?: Endpoint; left?: Endpoint },
): void {
  const { record } = container;
  const hostname = hostnameOf(container);
  const { Domainname } = record.Config;
  const names = Domainname === "" ? hostname : `${hostname}.${Domainname} ${hostname}`;
  const addresses = (endpoint: Endpoint | undefined) =>
    endpoint ? [endpoint.ipAddress, endpoint.ip6Address].filter((address) => address !== "") : [];
  const gone = new Set(addresses(change.left));
  const lines = hostText(record.HostsPath)
    .split("\n")
    .filter((line) => line !== "" && !gone.has(line.split(/\s/)[0]!));
  const own = addresses(change.joined).map((address) => `${address}\t${names}`);
  // In place: the file is mounted into the container.
  writeFileSync(record.HostsPath, `${[...lines, ...own].join("\n")}\n`);
  writeResolvConf(container, endpoints, config);
}

function hostText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Where the three files go in the container. */
export function etcMounts(record: Container["record"]): { source: string; destination: string }[] {
  return [
    { source: record.ResolvConfPath, destination: "/etc/resolv.conf" },
    { source: record.HostnamePath, destination: "/etc/hostname" },
    { source: record.HostsPath, destination: "/etc/hosts" },
  ];
}
