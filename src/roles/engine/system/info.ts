// GET /info and GET /version
import { readdirSync } from "node:fs";
import { arch, availableParallelism, hostname, machine, release, totalmem } from "node:os";
import type { IndexInfo, SystemInfo, VersionResponse } from "../../../spec/engine/system.ts";
import { commit, version } from "../../../version.ts";
import { LOG_DRIVERS } from "../config/values.ts";
import type { Engine } from "../engine.ts";
import { API_VERSION, MIN_API_VERSION } from "../server/version.ts";
import { swarmInfo } from "../swarm/info.ts";
import { cgroupFacts, cgroupNamespaces, cgroupWarnings, ipv4Forwarding, operatingSystem } from "./host.ts";
import { runtimeVersion } from "./runtime-version.ts";

const INDEX = "https://index.docker.io/v1/";
const ARCH = arch() === "x64" ? "amd64" : arch();
/** Docker has the Go version here; what runs us is this. */
const LANGUAGE = `bun${Bun.version}`;

export async function versionResponse(engine: Engine): Promise<VersionResponse> {
  const [containerd, runtime] = await Promise.all([
    engine.services.version.version(),
    runtimeVersion(engine.runtime(undefined)),
  ]);
  const { experimental } = engine.config;
  return {
    Platform: { Name: "Bunker" },
    Components: [
      {
        Name: "Engine",
        Version: version,
        Details: {
          ApiVersion: API_VERSION,
          Arch: ARCH,
          Experimental: String(experimental),
          GitCommit: commit,
          GoVersion: LANGUAGE,
          KernelVersion: release(),
          MinAPIVersion: MIN_API_VERSION,
          Os: "linux",
        },
      },
      { Name: "containerd", Version: containerd.version, Details: { GitCommit: containerd.revision } },
      { Name: runtime.name, Version: runtime.version, Details: { GitCommit: runtime.commit } },
      { Name: "docker-init", Version: version, Details: { GitCommit: commit } },
    ],
    Version: version,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: commit,
    GoVersion: LANGUAGE,
    Os: "linux",
    Arch: ARCH,
    KernelVersion: release(),
    ...(experimental ? { Experimental: true } : {}),
  };
}

function registryConfig(engine: Engine): SystemInfo["RegistryConfig"] {
  const { insecureRegistries, registryMirrors } = engine.config;
  const indexes: Record<string, IndexInfo> = {
    "docker.io": { Name: "docker.io", Mirrors: [...registryMirrors], Secure: true, Official: true },
  };
  const cidrs = ["::1/128", "127.0.0.0/8"];
  for (const name of insecureRegistries) {
    if (name.includes("/")) cidrs.push(name);
    else indexes[name] = { Name: name, Mirrors: [], Secure: false, Official: false };
  }
  return { IndexConfigs: indexes, InsecureRegistryCIDRs: cidrs, Mirrors: [...registryMirrors] };
}

function securityOptions(engine: Engine): string[] {
  const { seccompProfile, noNewPrivileges } = engine.config;
  return [
    ...(seccompProfile === "unconfined" ? [] : [`name=seccomp,profile=${seccompProfile}`]),
    ...(engine.config.remap ? ["name=userns"] : []),
    ...(noNewPrivileges ? ["name=no-new-privileges"] : []),
    ...(cgroupNamespaces() ? ["name=cgroupns"] : []),
  ];
}

function warnings(engine: Engine): string[] {
  return engine.config.listen.flatMap((listen) =>
    listen.kind === "tcp" && !engine.config.tls?.verify
      ? [
          `[DEPRECATION NOTICE]: API is accessible on http${engine.config.tls ? "s" : ""}://${listen.host}:${listen.port} without ${engine.config.tls ? "TLS client verification" : "encryption"}.\n         Access to the remote API is equivalent to root access on the host. Refer\n         to the 'Docker daemon attack surface' section in the documentation for\n         more information: https://docs.docker.com/go/attack-surface/`,
        ]
      : [],
  );
}

export async function systemInfo(engine: Engine): Promise<SystemInfo> {
  const { config } = engine;
  const { version: cgroupVersion, ...cgroups } = cgroupFacts();
  const [images, containerd, runtime] = await Promise.all([
    engine.images.list(),
    engine.services.version.version(),
    runtimeVersion(engine.runtime(undefined)),
  ]);
  const counts = engine.containers.counts();
  const os = operatingSystem();
  return {
    ID: engine.id,
    Containers: counts.total,
    ContainersRunning: counts.running,
    ContainersPaused: counts.paused,
    ContainersStopped: counts.stopped,
    Images: images.length,
    Driver: config.snapshotter,
    DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]],
    Plugins: {
      Volume: ["local"],
      Network: [...new Set(engine.networks.list().map((network) => network.driver))].sort(),
      Authorization: null,
      Log: [...LOG_DRIVERS],
    },
    ...cgroups,
    IPv4Forwarding: ipv4Forwarding(),
    Debug: config.debug,
    NFd: readdirSync("/proc/self/fd").length,
    NGoroutines: readdirSync("/proc/self/task").length,
    SystemTime: new Date().toISOString(),
    LoggingDriver: config.logDriver,
    CgroupDriver: config.cgroupDriver,
    CgroupVersion: cgroupVersion,
    NEventsListener: engine.events.listeners,
    KernelVersion: release(),
    OperatingSystem: os.name,
    OSVersion: os.version,
    OSType: "linux",
    Architecture: machine(),
    IndexServerAddress: INDEX,
    RegistryConfig: registryConfig(engine),
    NCPU: availableParallelism(),
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: config.dataRoot,
    HttpProxy: process.env["HTTP_PROXY"] ?? "",
    HttpsProxy: process.env["HTTPS_PROXY"] ?? "",
    NoProxy: process.env["NO_PROXY"] ?? "",
    Name: hostname(),
    Labels: [...config.labels],
    ExperimentalBuild: config.experimental,
    ServerVersion: version,
    Runtimes: Object.fromEntries(
      Object.entries(config.runtimes).map(([name, runtimeConfig]) => [
        name,
        runtimeConfig.runtimeType
          ? { runtimeType: runtimeConfig.runtimeType }
          : {
              path: runtimeConfig.path ?? "runc",
              ...(runtimeConfig.runtimeArgs ? { runtimeArgs: runtimeConfig.runtimeArgs } : {}),
            },
      ]),
    ),
    DefaultRuntime: config.defaultRuntime,
    Swarm: swarmInfo(engine.swarm.current),
    LiveRestoreEnabled: config.liveRestore,
    Isolation: "",
    InitBinary: config.initPath ?? "docker-init",
    ContainerdCommit: { ID: containerd.revision },
    RuncCommit: { ID: runtime.commit },
    InitCommit: { ID: commit },
    SecurityOptions: securityOptions(engine),
    ...(config.network.defaultAddressPools.length > 0
      ? {
          DefaultAddressPools: config.network.defaultAddressPools.map(({ base, size }) => ({
            Base: base,
            Size: size,
          })),
        }
      : {}),
    FirewallBackend: { Driver: "nftables" },
    CDISpecDirs: [],
    Containerd: {
      Address: engine.containerdAddress,
      Namespaces: { Containers: engine.namespace, Plugins: `plugins.${engine.namespace}` },
    },
    Warnings: [...warnings(engine), ...cgroupWarnings({ version: cgroupVersion, ...cgroups })],
  };
}
