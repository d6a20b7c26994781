// The engine's configuration after flags, daemon.json and defaults were merged: what every other part of the engine reads.

import type { Remap } from "./remap.ts";

export interface Ulimit {
  name: string;
  soft: number;
  hard: number;
}

export interface RuntimeConfig {
  /** Path or name of an OCI runtime binary; absent for our own. */
  path?: string;
  runtimeArgs?: string[];
  /** containerd runtime type instead of a binary (`io.containerd.runc.v2`). */
  runtimeType?: string;
  options?: Readonly<Record<string, unknown>>;
}

export interface TlsConfig {
  /** PEM files. */
  ca?: string;
  cert: string;
  key: string;
  /** Refuse clients without a certificate signed by `ca`. */
  verify: boolean;
}

/** One address to serve the API on. */
export type Listen =
  | { kind: "unix"; path: string }
  | { kind: "tcp"; host: string; port: number }
  | { kind: "fd"; name: string };

export interface EngineConfig {
  /** `userns-remap` as it was given: "", "default", "user[:group]". */
  usernsRemap: string;
  /** What it comes to (config/remap.ts); absent: containers have the host's ids. */
  remap?: Remap;
  dataRoot: string;
  execRoot: string;
  pidfile: string;
  configFile: string;
  listen: Listen[];
  /** Group that owns the unix sockets. */
  group: string;
  tls?: TlsConfig;
  debug: boolean;
  logLevel: "debug" | "info" | "warn" | "error" | "fatal";
  logFormat: "text" | "json";
  /** Address of a containerd to use; absent: the role runs in this process. */
  containerd?: string;
  /** containerd's namespace for containers and images ("moby"). */
  containerdNamespace: string;
  /** Names to runtimes; "runc" is always there. */
  runtimes: Readonly<Record<string, RuntimeConfig>>;
  defaultRuntime: string;
  /** Name of the snapshotter, "overlayfs". */
  snapshotter: string;
  labels: string[];
  insecureRegistries: string[];
  registryMirrors: string[];
  liveRestore: boolean;
  init: boolean;
  initPath?: string;
  /** Seconds that containers get at shutdown when live restore is off; -1 waits. */
  shutdownTimeout: number;
  defaultUlimits: Ulimit[];
  cgroupParent: string;
  cgroupDriver: "cgroupfs";
  defaultCgroupnsMode: "host" | "private";
  defaultIpcMode: "private" | "shareable";
  defaultShmSize: number;
  noNewPrivileges: boolean;
  /** "builtin", "unconfined" or the path of a profile. */
  seccompProfile: string;
  logDriver: string;
  logOptions: Readonly<Record<string, string>>;
  maxConcurrentDownloads: number;
  maxDownloadAttempts: number;
  experimental: boolean;
  /** For this process's own requests; absent: what the environment says. */
  proxies: { http?: string; https?: string; no?: string };
  oomScoreAdjust: number;
  /** host:port of the Prometheus page; absent: none. */
  metricsAddress?: string;
  network: {
    bridge: string;
    bip?: string;
    bip6?: string;
    ipv6: boolean;
    fixedCidr6?: string;
    defaultGateway6?: string;
    /** Where ports are published that name no address, on every network that says nothing itself. */
    defaultPublishAddress: string;
    /** Options by network driver for networks that do not set them. */
    defaultNetworkOpts: Readonly<Record<string, Readonly<Record<string, string>>>>;
    defaultAddressPools: { base: string; size: number }[];
    dns: string[];
    dnsOptions: string[];
    dnsSearch: string[];
    hostGatewayIps: string[];
    ip: string;
    ipForward: boolean;
    ipMasq: boolean;
    iptables: boolean;
    icc: boolean;
    mtu: number;
    userlandProxy: boolean;
    fixedCidr?: string;
    defaultGateway?: string;
  };
}
