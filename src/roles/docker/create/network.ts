// --network NAME or --network name=…,alias=…,ip=… and the flags that belong to the first network.
import type { Flags } from "../flags/flagset.ts";
import { csvFields } from "./csv.ts";

export interface NetworkOptions {
  target: string;
  aliases: string[];
  driverOpts: Record<string, string>;
  links: string[];
  ipv4: string;
  ipv6: string;
  linkLocal: string[];
  mac: string;
  priority: number;
}

const MAC = /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i;

/** One --network value. Throws with docker's words. */
export function parseNetwork(text: string): NetworkOptions {
  const network: NetworkOptions = {
    target: "",
    aliases: [],
    driverOpts: {},
    links: [],
    ipv4: "",
    ipv6: "",
    linkLocal: [],
    mac: "",
    priority: 0,
  };
  if (!/^\w+=/.test(text) && !text.includes(",")) {
    network.target = text;
    return network;
  }
  for (const field of csvFields(text)) {
    const equals = field.indexOf("=");
    if (equals < 1) throw new Error(`invalid key/value pair format in network flag: ${field}`);
    const key = field.slice(0, equals).trim().toLowerCase();
    const value = field.slice(equals + 1).trim();
    switch (key) {
      case "name":
        network.target = value;
        break;
      case "alias":
        network.aliases.push(value);
        break;
      case "ip":
        network.ipv4 = value;
        break;
      case "ip6":
        network.ipv6 = value;
        break;
      case "mac-address":
        if (!MAC.test(value)) throw new Error(`${value} is not a valid mac address`);
        network.mac = value;
        break;
      case "link-local-ip":
        network.linkLocal.push(value);
        break;
      case "driver-opt": {
        const at = value.indexOf("=");
        if (at < 1) throw new Error("invalid key value pair format in driver options");
        network.driverOpts[value.slice(0, at).trim().toLowerCase()] = value.slice(at + 1).trim();
        break;
      }
      case "gw-priority":
        if (!/^-?\d+$/.test(value)) throw new Error(`invalid gw-priority (${value}): invalid syntax`);
        network.priority = Number(value);
        break;
      default:
        throw new Error(`invalid field key ${key}`);
    }
  }
  return network;
}

const builtin = (mode: string) =>
  ["default", "bridge", "host", "none"].includes(mode) || mode.startsWith("container:");

/** All networks of a command line; the first is NetworkMode. Throws with docker's words. */
export function parseNetworks(flags: Flags): NetworkOptions[] {
  const networks = flags.list("network").map(parseNetwork);
  if (networks.length === 0) networks.push(parseNetwork("default"));
  const first = networks[0]!;
  const seen = new Set<string>();
  for (const { target } of networks) {
    const key = target === "" ? "default" : target;
    if (seen.has(key)) throw new Error(`network "${key}" is specified multiple times`);
    seen.add(key);
  }
  if (networks.length > 1 && networks.some(({ target }) => builtin(target) && target !== "bridge")) {
    throw new Error(
      "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    );
  }
  const one = (what: string, flag: string, given: boolean) => {
    if (given && flags.changed(flag)) {
      throw new Error(`conflicting options: cannot specify both --${flag} and per-network ${what}`);
    }
  };
  one("alias", "network-alias", first.aliases.length > 0);
  one("links", "link", first.links.length > 0);
  one("IPv4 address", "ip", first.ipv4 !== "");
  one("IPv6 address", "ip6", first.ipv6 !== "");
  one("MAC address", "mac-address", first.mac !== "");
  one("link-local IP addresses", "link-local-ip", first.linkLocal.length > 0);
  if (flags.changed("network-alias")) first.aliases = [...flags.list("network-alias")];
  // On the default network links are the container's own (HostConfig.Links).
  if (flags.changed("link") && !builtin(first.target)) first.links = [...flags.list("link")];
  if (flags.changed("ip")) first.ipv4 = flags.string("ip");
  if (flags.changed("ip6")) first.ipv6 = flags.string("ip6");
  if (flags.changed("link-local-ip")) first.linkLocal = [...flags.list("link-local-ip")];
  if (flags.changed("mac-address")) {
    first.mac = flags.string("mac-address").trim();
    if (first.mac !== "" && !MAC.test(first.mac)) throw new Error(`${first.mac} is not a valid mac address`);
  }
  return networks;
}

/** Whether a network gets endpoint settings: bridge, host, none and container:… only when something was set. */
export function hasEndpoint(network: NetworkOptions): boolean {
  const { target, aliases, links, ipv4, ipv6, linkLocal, mac, driverOpts, priority } = network;
  if (target === "default" || !builtin(target)) return true;
  return (
    aliases.length + links.length + linkLocal.length + Object.keys(driverOpts).length > 0 ||
    `${ipv4}${ipv6}${mac}` !== "" ||
    priority !== 0
  );
}

/** The API's EndpointSettings for one network, with every field Go would send. */
export function endpointSettings(network: NetworkOptions) {
  const ipam = {
    ...(network.ipv4 ? { IPv4Address: network.ipv4 } : {}),
    ...(network.ipv6 ? { IPv6Address: network.ipv6 } : {}),
    ...(network.linkLocal.length > 0 ? { LinkLocalIPs: network.linkLocal } : {}),
  };
  return {
    IPAMConfig: Object.keys(ipam).length > 0 ? ipam : null,
    Links: network.links.length > 0 ? network.links : null,
    Aliases: network.aliases.length > 0 ? network.aliases : null,
    MacAddress: network.mac,
    DriverOpts: Object.keys(network.driverOpts).length > 0 ? network.driverOpts : null,
    GwPriority: network.priority,
    NetworkID: "",
    EndpointID: "",
    Gateway: "",
    IPAddress: "",
    IPPrefixLen: 0,
    IPv6Gateway: "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
}
