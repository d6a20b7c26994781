// What the rest of the engine knows about networks. The life of an endpoint:
//   allocate (bookkeeping, before the task exists: address, MAC and host ports are reserved, so that /etc/hosts can be
//   written and a taken port is refused early) → attach (kernel: veth into the task's network namespace, addresses, routes,
//   nftables) → release (gives everything back; goes on after an error and reports them all).
// Allocations are durable: a restarted engine finds them again, and `start` reconciles the kernel with them.

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
  /** Network name or id (prefix). "bridge" is the default one. */
  network: string;
  ipv4Address?: string;
  macAddress?: string;
  aliases?: string[];
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
  aliases: string[];
  /** "80/tcp" → where it is published. */
  ports: Record<string, { hostIp: string; hostPort: number }[]>;
}

/** A network as `docker network inspect` shows it, in our own spelling. */
export interface NetworkInfo {
  id: string;
  name: string;
  driver: "bridge" | "host" | "null";
  created: Date;
  internal: boolean;
  subnet?: string;
  gateway?: string;
  ipRange?: string;
  options: Record<string, string>;
  labels: Record<string, string>;
  endpoints: Endpoint[];
}

export interface NetworkCreate {
  name: string;
  driver?: string;
  subnet?: string;
  gateway?: string;
  /** Part of the subnet that containers get their addresses from. */
  ipRange?: string;
  internal?: boolean;
  options?: Record<string, string>;
  labels?: Record<string, string>;
}

/** Refusals carry docker's words and the HTTP status they travel with. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  constructor(
    message: string,
    readonly status: 400 | 403 | 404 | 409 | 500,
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
  create(request: NetworkCreate): Promise<NetworkInfo>;
  remove(network: string): Promise<void>;
  allocate(request: EndpointRequest): Promise<Endpoint>;
  /** `netns` is a path such as /proc/PID/ns/net. */
  attach(endpointId: string, netns: string): Promise<void>;
  /**
   * The task is gone (or, with `live`, the container leaves this network while it runs: its interface goes too).
   * An unknown id is no error: release may be repeated.
   */
  release(endpointId: string, options?: { live?: boolean }): Promise<void>;
  endpoints(containerId: string): Endpoint[];
  /** Compares the kernel with what should be there and puts back what is missing; returns a line for each thing it put back. */
  reconcile(): Promise<string[]>;
  /** Nothing of a live container is torn down: ports and bridges stay in the kernel. */
  stop(): Promise<void>;
}
