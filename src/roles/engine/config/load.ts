// Flags + daemon.json + defaults → EngineConfig.
import { CGROUP2_SUPER_MAGIC } from "../../../../ffi/constants/magic.ts";
import { fileSystemAt } from "../../../../ffi/statfs.ts";
import { log } from "../../../observe/log.ts";
import { byKey } from "./directives.ts";
import { DEFAULT_CONFIG_FILE, readConfigFile, refuseConflicts } from "./file.ts";
import { parseHost } from "./host.ts";
import type { EngineConfig, RuntimeConfig, TlsConfig, Ulimit } from "./types.ts";
import { ConfigError, isCidr, LIST_CHECKS, LOG_DRIVERS, parseBytes, parseMirror } from "./values.ts";

/** Where TLS files are when nobody says. */
const CERT_PATH = process.env["DOCKER_CERT_PATH"] || "/root/.docker";

type Values = ReadonlyMap<string, unknown>;

function checkSupport(values: Values): void {
  for (const [key, value] of values) {
    const directive = byKey.get(key);
    if (directive?.refused && !directive.refused.unless(value)) {
      throw new ConfigError(`${directive.flag ? `--${directive.flag}` : key} ${directive.refused.why}`);
    }
    if (directive?.ignored) log("warning", `Ignoring the setting ${key}: ${directive.ignored}`);
  }
}

function tlsFrom(values: Values): TlsConfig | undefined {
  const verify = values.get("tlsverify") === true;
  if (!verify && values.get("tls") !== true) return undefined;
  const path = (key: string, name: string): string =>
    (values.get(key) as string | undefined) ?? `${CERT_PATH}/${name}`;
  return {
    verify,
    ca: path("tlscacert", "ca.pem"),
    cert: path("tlscert", "cert.pem"),
    key: path("tlskey", "key.pem"),
  };
}

const RUNTIME_NAMES: ReadonlySet<string> = new Set(["runc", "io.containerd.runc.v2"]);

function runtimesFrom(values: Values): { runtimes: Record<string, RuntimeConfig>; defaultRuntime: string } {
  const added = (values.get("runtimes") ?? {}) as Record<string, RuntimeConfig>;
  for (const [name, runtime] of Object.entries(added)) {
    if (RUNTIME_NAMES.has(name)) throw new ConfigError(`runtime name '${name}' is reserved`);
    if (!runtime.path && !runtime.runtimeType) {
      throw new ConfigError(`invalid runtime "${name}": either a runtimeType or a path must be configured`);
    }
    if (runtime.path && runtime.runtimeType) {
      throw new ConfigError(`invalid runtime "${name}": cannot specify both runtimeType and path`);
    }
  }
  const runtimes: Record<string, RuntimeConfig> = { ...added, runc: {} };
  const defaultRuntime = (values.get("default-runtime") as string | undefined) || "runc";
  if (!Object.hasOwn(runtimes, defaultRuntime)) {
    throw new ConfigError(`specified default runtime '${defaultRuntime}' does not exist`);
  }
  return { runtimes, defaultRuntime };
}

function checkExecOptions(options: string[]): void {
  for (const option of options) {
    const [key, value] = option.split("=", 2);
    if (key !== "native.cgroupdriver") throw new ConfigError(`invalid option to --exec-opt: ${option}`);
    if (value !== "cgroupfs") {
      throw new ConfigError(`native.cgroupdriver option ${value} is not supported: only cgroupfs is`);
    }
  }
}

const cgroupVersion2 = () => fileSystemAt("/sys/fs/cgroup") === CGROUP2_SUPER_MAGIC;

function oneOf<T extends string>(value: string, allowed: readonly T[], refusal: string): T {
  const found = allowed.find((word) => word === value);
  if (!found) throw new ConfigError(refusal);
  return found;
}

/** Builds the configuration. Throws ConfigError. */
export function buildConfig(values: Values, configFile: string): EngineConfig {
  checkSupport(values);
  const text = (key: string, otherwise: string): string =>
    (values.get(key) as string | undefined) ?? otherwise;
  const flag = (key: string, otherwise: boolean): boolean =>
    (values.get(key) as boolean | undefined) ?? otherwise;
  const number = (key: string, otherwise: number): number =>
    (values.get(key) as number | undefined) ?? otherwise;
  const list = (key: string): string[] => (values.get(key) as string[] | undefined) ?? [];
  const tls = tlsFrom(values);
  const debug = flag("debug", false);
  const level = text("log-level", debug ? "debug" : "info");
  const driver = text("storage-driver", "");
  if (!["", "overlay2", "overlayfs"].includes(driver)) {
    throw new ConfigError(`error initializing graphdriver: driver not supported: ${driver}`);
  }
  const bridge = text("bridge", "");
  if (bridge !== "" && values.has("bip")) {
    throw new ConfigError("You specified -b & --bip, mutually exclusive options. Please specify only one");
  }
  for (const [key, check] of Object.entries(LIST_CHECKS)) for (const value of list(key)) check(value);
  checkExecOptions(list("exec-opts"));
  const hosts = list("hosts");
  const logDriver = text("log-driver", "json-file");
  if (!LOG_DRIVERS.includes(logDriver)) {
    throw new ConfigError(`logger: no log driver named '${logDriver}' is registered`);
  }
  const downloads = number("max-concurrent-downloads", 3);
  if (downloads < 0) throw new ConfigError(`invalid max concurrent downloads: ${downloads}`);
  const uploads = number("max-concurrent-uploads", 5);
  if (uploads < 0) throw new ConfigError(`invalid max concurrent uploads: ${uploads}`);
  const mtu = number("mtu", 1500);
  if (mtu < 0) throw new ConfigError(`invalid default MTU: ${mtu}`);
  const pools = (values.get("default-address-pools") as { base: string; size: number }[] | undefined) ?? [];
  for (const { base } of pools) {
    if (!isCidr(base)) throw new ConfigError(`invalid base pool "${base}": invalid CIDR address: ${base}`);
  }
  const attempts = number("max-download-attempts", 5);
  if (attempts < 1) throw new ConfigError(`invalid max download attempts: ${attempts}`);
  return {
    usernsRemap: text("userns-remap", ""),
    dataRoot: text("data-root", "/var/lib/docker"),
    execRoot: text("exec-root", "/var/run/docker"),
    pidfile: text("pidfile", "/var/run/docker.pid"),
    configFile,
    listen: (hosts.length === 0 ? [""] : hosts).map((host) => parseHost(host, tls !== undefined)),
    group: text("group", "docker"),
    tls,
    debug,
    logLevel: oneOf(
      debug ? "debug" : level,
      ["debug", "info", "warn", "error", "fatal"] as const,
      `invalid logging level: ${level}`,
    ),
    logFormat: oneOf(
      text("log-format", "text"),
      ["text", "json"] as const,
      `invalid log format: ${text("log-format", "text")}`,
    ),
    containerd: text("containerd", "") || undefined,
    containerdNamespace: text("containerd-namespace", "moby"),
    ...runtimesFrom(values),
    snapshotter: "overlayfs",
    labels: list("labels"),
    insecureRegistries: list("insecure-registries"),
    registryMirrors: list("registry-mirrors").map(parseMirror),
    liveRestore: flag("live-restore", true),
    init: flag("init", false),
    initPath: text("init-path", "") || undefined,
    shutdownTimeout: number("shutdown-timeout", 15),
    defaultUlimits: (values.get("default-ulimits") as Ulimit[] | undefined) ?? [],
    cgroupParent: text("cgroup-parent", ""),
    cgroupDriver: "cgroupfs",
    defaultCgroupnsMode: oneOf(
      text("default-cgroupns-mode", cgroupVersion2() ? "private" : "host"),
      ["host", "private"] as const,
      `default cgroup namespace mode (${text("default-cgroupns-mode", "")}) is invalid; use "host" or "private"`,
    ),
    defaultIpcMode: oneOf(
      text("default-ipc-mode", "private"),
      ["private", "shareable"] as const,
      `default IPC mode setting (${text("default-ipc-mode", "")}) is invalid; use "shareable" or "private"`,
    ),
    defaultShmSize: parseBytes(text("default-shm-size", "64M")),
    noNewPrivileges: flag("no-new-privileges", false),
    seccompProfile: text("seccomp-profile", "builtin") || "builtin",
    logDriver,
    logOptions: (values.get("log-opts") as Record<string, string> | undefined) ?? {},
    // 0 is "as it is by default".
    maxConcurrentDownloads: downloads || 3,
    maxDownloadAttempts: attempts,
    experimental: flag("experimental", false),
    proxies: {
      http: text("http-proxy", "") || undefined,
      https: text("https-proxy", "") || undefined,
      no: text("no-proxy", "") || undefined,
    },
    oomScoreAdjust: number("oom-score-adjust", 0),
    metricsAddress: metricsAddress(text("metrics-addr", "")),
    network: {
      bridge,
      bip: text("bip", "") || undefined,
      defaultAddressPools: pools,
      dns: list("dns"),
      dnsOptions: list("dns-opts"),
      dnsSearch: list("dns-search"),
      hostGatewayIps: list("host-gateway-ips"),
      ip: text("ip", "0.0.0.0"),
      ipForward: flag("ip-forward", true),
      ipMasq: flag("ip-masq", true),
      iptables: flag("iptables", true),
      icc: flag("icc", true),
      // 0: the kernel's own, which is the default's.
      mtu: mtu || 1500,
      userlandProxy: flag("userland-proxy", true),
      fixedCidr: text("fixed-cidr", "") || undefined,
      defaultGateway: text("default-gateway", "") || undefined,
      bip6: text("bip6", "") || undefined,
      ipv6: flag("ipv6", false),
      fixedCidr6: text("fixed-cidr-v6", "") || undefined,
      defaultGateway6: text("default-gateway-v6", "") || undefined,
      defaultPublishAddress: text("default-publish-address", "0.0.0.0"),
      defaultNetworkOpts:
        (values.get("default-network-opts") as Record<string, Record<string, string>> | undefined) ?? {},
    },
  };
}

function metricsAddress(text: string): string | undefined {
  if (text === "") return undefined;
  const port = /:(\d{1,5})$/.exec(text)?.[1];
  if (port === undefined || Number(port) > 65_535) {
    throw new ConfigError(`invalid metrics address: ${text}: it must be HOST:PORT`);
  }
  return text;
}

// Whether what is wrong comes from somewhere else than the file alone.
function isFine(file: Values, path: string): boolean {
  try {
    buildConfig(file, path);
    return true;
  } catch {
    return false;
  }
}

/** Merges flags with the file they name. Throws ConfigError. */
export function loadConfig(flags: Values): EngineConfig {
  const asked = flags.get("config-file") as string | undefined;
  const path = asked ?? DEFAULT_CONFIG_FILE;
  const file = readConfigFile(path, asked !== undefined);
  if (file.size === 0) return buildConfig(flags, path);
  const refused = (error: unknown, what: string): unknown =>
    error instanceof ConfigError
      ? new ConfigError(`unable to configure the Docker daemon with file ${path}: ${what}${error.message}`)
      : error;
  try {
    refuseConflicts(flags, file);
  } catch (error) {
    throw refused(error, "");
  }
  try {
    return buildConfig(new Map([...file, ...flags]), path);
  } catch (error) {
    throw refused(
      error,
      isFine(file, path)
        ? "merged configuration validation from file and command line flags failed: "
        : "configuration validation from file failed: ",
    );
  }
}
