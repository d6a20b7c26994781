// Endpoints as files, `<exec-root>/network/endpoints/<id>.json`: the engine writes them, the network keeper takes names and
// resolvers from them. Each file is replaced whole, so a reader never sees half of one.

/** What a name leads to, and where it is one. */
export interface NamedEndpoint {
  endpointId: string;
  networkId: string;
  networkName: string;
  containerId: string;
  containerName: string;
  /** "" where the network has no such addresses. */
  ipAddress: string;
  ip6Address: string;
  /** Names in this network; empty where it has no DNS. */
  dnsNames: string[];
}

/** How a container's questions are answered, and what the keeper listens for in its network namespace. */
export interface ResolverRecord {
  /** The container asked for these; none: the host's own. */
  servers: string[];
  /** Names that this container alone uses: alias → container's name or id. */
  links: Record<string, string>;
  /** The network leads nowhere: it opens no way to resolvers outside. */
  internal: boolean;
}

/** A published port that no translation can serve (IPv6 outside, IPv4 inside): the keeper carries its bytes. */
export interface RelayRecord {
  protocol: "tcp" | "udp";
  hostIp: string;
  hostPort: number;
  containerIp: string;
  containerPort: number;
}

export interface EndpointFile {
  endpoint: NamedEndpoint;
  /** The container's network namespace, as /proc/PID/ns/net; absent until it has its interface there. */
  netns?: string;
  resolver?: ResolverRecord;
  /** Of an endpoint that has its interface. */
  relays?: RelayRecord[];
}

/** The directory of the files below an engine's exec-root. */
export const ENDPOINTS = "network/endpoints";
/** The keeper's socket below it. */
export const KEEPER_SOCKET = "network/keeper.sock";

/** The containers' resolver. */
export const RESOLVER_ADDRESS = "127.0.0.11";
