// What the rest of the engine knows about networks. The life of an endpoint:
//   allocate (bookkeeping, before the task exists: addresses, MAC and host ports are reserved, so that /etc/hosts can be
//   written and a taken port is refused early) → attach (kernel: an interface in the task's network namespace, addresses,
//   routes, nftables, the resolver) → release (gives everything back; goes on after an error and reports them all).
// Allocations are durable: a restarted engine finds them again, and `start` reconciles the kernel with them.
import type { NetworkExplanation } from "../../../spec/engine/network-explain.ts";

/** One published port of a container, as `docker run -p` asked for it. */
export interface PortRequest {
  containerPort: number;
  protocol: "tcp" | "udp" | "sctp";
  /** "" is every address. */
  hostIp: string;
  /** 0 asks for an ephemeral port. */
  hostPort: number;
  /** End of an acceptable range (`-p 8000-8010:80`), same as hostPort otherwise. */
  hostPortEnd: number;
}

export interface EndpointRequest {
  containerId: string;
  /** Without the leading slash. */
  containerName: string;
  hostname?: string;
  /** Network name or id (prefix). "bridge" is the default one. */
  network: string;
  ipv4Address?: string;
  ipv6Address?: string;
  /** Further addresses on the link, beside those of the network's subnets. */
  linkLocal?: string[];
  macAddress?: string;
  /** Names beside the container's own and its short id. */
  aliases?: string[];
  /** "CONTAINER[:ALIAS]": names that this container alone uses for others. */
  links?: string[];
  driverOpts?: Record<string, string>;
  /** Of a container's networks the one with the highest gives it its default route and has its published ports. */
  gatewayPriority?: number;
  /** Resolvers that the container asked for; none: the host's. */
  resolvers?: string[];
  ports: PortRequest[];
}

/** A container's place on a network; field meanings are those of the Engine API's EndpointSettings. */
export interface Endpoint {
  endpointId: string;
  networkId: string;
  networkName: string;
  containerId: string;
  containerName: string;
  macAddress: string;
  ipAddress: string;
  ipPrefixLen: number;
  gateway: string;
  ip6Address: string;
  ip6PrefixLen: number;
  gateway6: string;
  aliases: string[];
  /** What the container is called in this network's DNS; empty where there is none. */
  dnsNames: string[];
  gatewayPriority: number;
  /** "80/tcp" → where it is published. */
  ports: Record<string, { hostIp: string; hostPort: number }[]>;
}

/** One block of addresses of a network. */
export interface IpamPool {
  subnet: string;
  /** Absent where nothing leads out. */
  gateway?: string;
  /** Part of the subnet that containers get their addresses from. */
  ipRange?: string;
  /** Addresses that somebody else has. */
  auxiliary?: Record<string, string>;
}

/** A network as `docker network inspect` shows it, in our own spelling. */
export interface NetworkInfo {
  id: string;
  name: string;
  driver: "bridge" | "host" | "null" | "macvlan" | "ipvlan" | "";
  created: Date;
  internal: boolean;
  attachable: boolean;
  ipv4: boolean;
  ipv6: boolean;
  pools: IpamPool[];
  ipamDriver: string;
  /** null: none were given, which the API tells from an empty set. */
  ipamOptions: Record<string, string> | null;
  options: Record<string, string>;
  labels: Record<string, string>;
  /** Holds a configuration only. */
  configOnly: boolean;
  /** The network that holds this one's configuration; "" for none. */
  configFrom: string;
  endpoints: Endpoint[];
}

export interface NetworkCreate {
  name: string;
  driver?: string;
  /** Default true. */
  ipv4?: boolean;
  /** Default false. */
  ipv6?: boolean;
  pools?: (Omit<IpamPool, "subnet"> & { subnet?: string })[];
  ipamDriver?: string;
  ipamOptions?: Record<string, string> | null;
  internal?: boolean;
  attachable?: boolean;
  options?: Record<string, string>;
  labels?: Record<string, string>;
  configOnly?: boolean;
  configFrom?: string;
}

/** Refusals carry docker's words and the HTTP status they travel with. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  constructor(
    message: string,
    readonly status: 400 | 403 | 404 | 409 | 500 | 501,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface Networks {
  /** Makes docker0 and the nftables table, puts back what is allocated and live, removes leftovers. `live` are the container ids whose tasks run. */
  start(live: ReadonlySet<string>): Promise<void>;
  list(): NetworkInfo[];
  /** By name, id or unambiguous id prefix; NetworkError 404. */
  get(network: string): NetworkInfo;
  /** Its id, for what is shown of every container; undefined when there is none. */
  idOf(network: string): string | undefined;
  create(request: NetworkCreate): Promise<NetworkInfo>;
  remove(network: string): Promise<void>;
  allocate(request: EndpointRequest): Promise<Endpoint>;
  /** `netns` is a path such as /proc/PID/ns/net. Resolves when interface, ports and names work. */
  attach(endpointId: string, netns: string): Promise<void>;
  /**
   * The task is gone (or, with `live`, the container leaves this network while it runs: its interface goes too).
   * An unknown id is no error: release may be repeated.
   */
  release(endpointId: string, options?: { live?: boolean }): Promise<void>;
  endpoints(containerId: string): Endpoint[];
  /** The container has another name from now on. */
  rename(containerId: string, name: string): Promise<void>;
  /** Who reaches which published port, by which rule; of one container or of all. */
  explain(containerId?: string): Promise<NetworkExplanation>;
  /** Compares the kernel with what should be there and puts back what is missing; returns a line for each thing it put back. */
  reconcile(): Promise<string[]>;
  /** Nothing of a live container is torn down: ports and bridges stay in the kernel. */
  stop(): Promise<void>;
}
