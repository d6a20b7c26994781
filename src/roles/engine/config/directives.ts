// Every flag of dockerd and key of daemon.json, in one table: what it is called in either place, its type, and how far we take it.

export type DirectiveType =
  | "bool"
  | "int"
  | "string"
  | "list"
  /** `k=v` flags, an object of strings in the file. */
  | "map"
  | "maps"
  /** `name=soft[:hard]` flags, `{name: {Name, Soft, Hard}}` in the file. */
  | "ulimits"
  /** `name=path` flags, `{name: {path, runtimeArgs, …}}` in the file. */
  | "runtimes"
  /** `base=…,size=…` flags, `[{base, size}]` in the file. */
  | "pools";

export interface Directive {
  /** Name in daemon.json. */
  key: string;
  /** Long flag without dashes; absent for what only the file has. */
  flag?: string;
  short?: string;
  type: DirectiveType;
  help: string;
  /** Not in daemon.json. */
  flagOnly?: boolean;
  /** Known, but without effect here: a value is accepted with this warning. */
  ignored?: string;
  /** Known, but not supported: a value that is not the harmless one is refused, since ignoring it would be wrong. */
  refused?: { unless: (value: unknown) => boolean; why: string };
}

const off = (value: unknown) => value === false || value === "" || value === 0;
const never = () => false;
const notYet = "is not implemented";
const swarm = "swarm mode is not implemented; the setting has no effect";

const bool = (key: string, help: string, extra: Partial<Directive> = {}): Directive => ({
  key,
  flag: key,
  type: "bool",
  help,
  ...extra,
});
const text = (key: string, help: string, extra: Partial<Directive> = {}): Directive => ({
  key,
  flag: key,
  type: "string",
  help,
  ...extra,
});
const int = (key: string, help: string, extra: Partial<Directive> = {}): Directive => ({
  key,
  flag: key,
  type: "int",
  help,
  ...extra,
});
const list = (key: string, flag: string, help: string, extra: Partial<Directive> = {}): Directive => ({
  key,
  flag,
  type: "list",
  help,
  ...extra,
});

export const directives: readonly Directive[] = [
  {
    key: "runtimes",
    flag: "add-runtime",
    type: "runtimes",
    help: "Register an additional OCI compatible runtime",
  },
  bool("allow-direct-routing", "Allow remote access to published ports on container IP addresses", {
    ignored: "published ports are filtered as without it",
  }),
  list("authorization-plugins", "authorization-plugin", "Authorization plugins to load", {
    refused: { unless: (value) => Array.isArray(value) && value.length === 0, why: notYet },
  }),
  text("bip", "IPv4 address for the default bridge"),
  text("bip6", "IPv6 address for the default bridge"),
  text("bridge", "Attach containers to a network bridge", { short: "b" }),
  list("cdi-spec-dirs", "cdi-spec-dir", "CDI specification directories to use", {
    ignored: "CDI devices are not implemented",
  }),
  text("cgroup-parent", "Set parent cgroup for all containers"),
  text("config-file", "Daemon configuration file", { flagOnly: true }),
  text("containerd", "containerd grpc address"),
  text("containerd-namespace", "Containerd namespace to use"),
  text("containerd-plugins-namespace", "Containerd namespace to use for plugins", {
    ignored: "managed plugins are not implemented",
  }),
  int("cpu-rt-period", "Limit the CPU real-time period in microseconds for the parent cgroup", {
    refused: { unless: off, why: notYet },
  }),
  int("cpu-rt-runtime", "Limit the CPU real-time runtime in microseconds for the parent cgroup", {
    refused: { unless: off, why: notYet },
  }),
  text("data-root", "Root directory of persistent Docker state"),
  bool("debug", "Enable debug mode", { short: "D" }),
  {
    key: "default-address-pools",
    flag: "default-address-pool",
    type: "pools",
    help: "Default address pools for node specific local networks",
  },
  text("default-cgroupns-mode", 'Default mode for containers cgroup namespace ("host" | "private")'),
  text("default-gateway", "Default gateway IPv4 address for the default bridge network"),
  text("default-gateway-v6", "Default gateway IPv6 address for the default bridge network"),
  text("default-publish-address", "Host address for published ports that name none, on every network"),
  text("default-ipc-mode", 'Default mode for containers ipc ("shareable" | "private")'),
  text("default-runtime", "Default OCI runtime for containers"),
  text("default-shm-size", "Default shm size for containers"),
  { key: "default-ulimits", flag: "default-ulimit", type: "ulimits", help: "Default ulimits for containers" },
  list("dns", "dns", "DNS server to use"),
  list("dns-opts", "dns-opt", "DNS options to use"),
  list("dns-search", "dns-search", "DNS search domains to use"),
  list("exec-opts", "exec-opt", "Runtime execution options"),
  text("exec-root", "Root directory for execution state files"),
  bool("experimental", "Enable experimental features"),
  {
    key: "features",
    flag: "feature",
    type: "map",
    help: "Enable feature in the daemon",
    ignored: "no features to switch",
  },
  text("firewall-backend", "Firewall backend to use, iptables or nftables", {
    refused: { unless: (value) => value === "nftables" || value === "", why: "can only be nftables" },
  }),
  text("fixed-cidr", "IPv4 subnet for the default bridge network"),
  text("fixed-cidr-v6", "IPv6 subnet for the default bridge network"),
  text("group", "Group for the unix socket", { short: "G" }),
  bool("help", "Print usage", { short: "h", flagOnly: true }),
  list("hosts", "host", "Daemon socket(s) to connect to", { short: "H" }),
  list(
    "host-gateway-ips",
    "host-gateway-ip",
    "IP addresses that the special 'host-gateway' string in --add-host resolves to",
  ),
  text("http-proxy", "HTTP proxy URL to use for outgoing traffic"),
  text("https-proxy", "HTTPS proxy URL to use for outgoing traffic"),
  text("no-proxy", "Comma-separated list of hosts or IP addresses for which the proxy is skipped"),
  bool("icc", "Enable inter-container communication for the default bridge network"),
  bool("init", "Run an init in the container to forward signals and reap processes"),
  text("init-path", "Path to the docker-init binary"),
  list("insecure-registries", "insecure-registry", "Enable insecure registry communication"),
  text("ip", "Host IP for port publishing from the default bridge network"),
  bool("ip-forward", "Enable IP forwarding in system configuration"),
  bool("ip-forward-no-drop", "Do not set the filter-FORWARD policy to DROP when enabling IP forwarding", {
    ignored: "the FORWARD policy is never changed",
  }),
  bool("ip-masq", "Enable IP masquerading for the default bridge network"),
  bool("ip6tables", "Enable addition of ip6tables rules", { ignored: "" }),
  bool("iptables", "Enable addition of firewall rules"),
  bool("ipv6", "Enable IPv6 networking for the default bridge network"),
  list("labels", "label", "Set key=value labels to the daemon"),
  bool("live-restore", "Keep containers running while the daemon is down (default true)"),
  text("log-driver", "Default driver for container logs"),
  text("log-format", 'Set the logging format ("text"|"json")'),
  text("log-level", 'Set the logging level ("debug"|"info"|"warn"|"error"|"fatal")', { short: "l" }),
  { key: "log-opts", flag: "log-opt", type: "map", help: "Default log driver options for containers" },
  int("max-concurrent-downloads", "Set the max concurrent downloads", {
    ignored: "three layers of an image are fetched at a time",
  }),
  int("max-concurrent-uploads", "Set the max concurrent uploads", { ignored: "" }),
  int("max-download-attempts", "Set the max download attempts for each pull"),
  text("metrics-addr", "Set default address and port to serve the metrics api on"),
  int("mtu", "Set the MTU for the default bridge network"),
  int("network-control-plane-mtu", "Network Control plane MTU", { ignored: swarm }),
  bool("no-new-privileges", "Set no-new-privileges by default for new containers"),
  list("node-generic-resources", "node-generic-resource", "Advertise user-defined resource", {
    ignored: swarm,
  }),
  int("oom-score-adjust", "Set the oom_score_adj for the daemon"),
  text("pidfile", "Path to use for daemon PID file", { short: "p" }),
  bool("raw-logs", "Full timestamps without ANSI coloring", { ignored: "" }),
  list("registry-mirrors", "registry-mirror", "Preferred registry mirror"),
  bool("rootless", "Enable rootless mode", { refused: { unless: off, why: notYet } }),
  text(
    "seccomp-profile",
    'Path to seccomp profile. Set to "unconfined" to disable the default seccomp profile',
  ),
  bool("selinux-enabled", "Enable selinux support", { refused: { unless: off, why: notYet } }),
  int("shutdown-timeout", "Set the default shutdown timeout"),
  text("storage-driver", "Storage driver to use", { short: "s" }),
  list("storage-opts", "storage-opt", "Storage driver options", {
    refused: { unless: (value) => Array.isArray(value) && value.length === 0, why: notYet },
  }),
  text("swarm-default-advertise-addr", "Set default address or interface for swarm advertised address", {
    ignored: swarm,
  }),
  bool("tls", "Use TLS; implied by --tlsverify"),
  text("tlscacert", "Trust certs signed only by this CA"),
  text("tlscert", "Path to TLS certificate file"),
  text("tlskey", "Path to TLS key file"),
  bool("tlsverify", "Use TLS and verify the remote"),
  bool("userland-proxy", "Use userland proxy for loopback traffic"),
  text("userland-proxy-path", "Path to the userland proxy binary"),
  text("userns-remap", "User/Group setting for user namespaces"),
  bool("validate", "Validate daemon configuration and exit", { flagOnly: true }),
  bool("version", "Print version information and quit", { short: "v", flagOnly: true }),
  // Only in the file.
  { key: "builder", type: "map", help: "", refused: { unless: never, why: notYet } },
  {
    key: "default-network-opts",
    flag: "default-network-opt",
    type: "maps",
    help: "Default network options",
  },
];

/** By daemon.json key. */
export const byKey: ReadonlyMap<string, Directive> = new Map(
  directives.filter((directive) => !directive.flagOnly).map((directive) => [directive.key, directive]),
);
