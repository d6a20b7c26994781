// `docker info` for people: one fact a line, as docker lays them out.
import type { SystemInfo } from "../../../spec/engine/system.ts";
import { bytesSize } from "./units.ts";

function securityLines(options: readonly string[]): string[] {
  return options.flatMap((option) => {
    const pairs = option.split(",").map((pair): [string, string] => {
      const equals = pair.indexOf("=");
      return equals < 0 ? ["name", pair] : [pair.slice(0, equals), pair.slice(equals + 1)];
    });
    return pairs.map(([key, value]) =>
      key === "name" ? `  ${value}` : `   ${key.charAt(0).toUpperCase()}${key.slice(1)}: ${value}`,
    );
  });
}

function registryLines(info: SystemInfo): string[] {
  const config = info.RegistryConfig;
  if (!config) return [];
  const insecure = [
    ...Object.values(config.IndexConfigs ?? {})
      .filter((index) => !index.Secure)
      .map((index) => index.Name),
    ...(config.InsecureRegistryCIDRs ?? []),
  ];
  return [
    ...(insecure.length > 0 ? [" Insecure Registries:", ...insecure.map((name) => `  ${name}`)] : []),
    ...(config.Mirrors?.length
      ? [" Registry Mirrors:", ...config.Mirrors.map((mirror) => `  ${mirror}`)]
      : []),
  ];
}

function plugins(info: SystemInfo): string[] {
  const { Volume: volume, Network: network, Authorization: authorization, Log: log } = info.Plugins;
  return [
    " Plugins:",
    `  Volume: ${(volume ?? []).join(" ")}`,
    `  Network: ${(network ?? []).join(" ")}`,
    ...(authorization?.length ? [`  Authorization: ${authorization.join(" ")}`] : []),
    `  Log: ${(log ?? []).join(" ")}`,
  ];
}

/** The part below "Server:". */
export function infoText(info: SystemInfo): string {
  const optional = (name: string, value: string | undefined) => (value ? [` ${name}: ${value}`] : []);
  const lines = [
    ` Containers: ${info.Containers}`,
    `  Running: ${info.ContainersRunning}`,
    `  Paused: ${info.ContainersPaused}`,
    `  Stopped: ${info.ContainersStopped}`,
    ` Images: ${info.Images}`,
    ...optional("Server Version", info.ServerVersion),
    ` Storage Driver: ${info.Driver}`,
    ...(info.DriverStatus ?? []).map(([name, value]) => `  ${name}: ${value}`),
    ...optional("Logging Driver", info.LoggingDriver),
    ...optional("Cgroup Driver", info.CgroupDriver),
    ...optional("Cgroup Version", info.CgroupVersion),
    ...plugins(info),
    ...(info.CDISpecDirs?.length
      ? [" CDI spec directories:", ...info.CDISpecDirs.map((directory) => `  ${directory}`)]
      : []),
    ` Swarm: ${info.Swarm?.LocalNodeState ?? "inactive"}`,
    ...(info.Runtimes && Object.keys(info.Runtimes).length > 0
      ? [
          ` Runtimes: ${Object.keys(info.Runtimes).sort().join(" ")}`,
          ` Default Runtime: ${info.DefaultRuntime}`,
        ]
      : []),
    ` Init Binary: ${info.InitBinary}`,
    ` containerd version: ${info.ContainerdCommit?.ID ?? ""}`,
    ` runc version: ${info.RuncCommit?.ID ?? ""}`,
    ` init version: ${info.InitCommit?.ID ?? ""}`,
    ...(info.SecurityOptions?.length ? [" Security Options:", ...securityLines(info.SecurityOptions)] : []),
    ` Kernel Version: ${info.KernelVersion}`,
    ` Operating System: ${info.OperatingSystem}`,
    ` OSType: ${info.OSType}`,
    ` Architecture: ${info.Architecture}`,
    ` CPUs: ${info.NCPU}`,
    ` Total Memory: ${bytesSize(info.MemTotal)}`,
    ` Name: ${info.Name}`,
    ` ID: ${info.ID}`,
    ` Docker Root Dir: ${info.DockerRootDir}`,
    ` Debug Mode: ${info.Debug}`,
    ...(info.Debug
      ? [
          `  File Descriptors: ${info.NFd}`,
          `  Goroutines: ${info.NGoroutines}`,
          `  System Time: ${info.SystemTime}`,
          `  EventsListeners: ${info.NEventsListener}`,
        ]
      : []),
    ...optional("HTTP Proxy", info.HttpProxy),
    ...optional("HTTPS Proxy", info.HttpsProxy),
    ...optional("No Proxy", info.NoProxy),
    ...(info.Labels?.length ? [" Labels:", ...info.Labels.map((label) => `  ${label}`)] : []),
    ` Experimental: ${info.ExperimentalBuild}`,
    ...registryLines(info),
    ` Live Restore Enabled: ${info.LiveRestoreEnabled}`,
    ...optional("Product License", info.ProductLicense),
    ...(info.DefaultAddressPools?.length
      ? [
          " Default Address Pools:",
          ...info.DefaultAddressPools.map((pool) => `   Base: ${pool.Base}, Size: ${pool.Size}`),
        ]
      : []),
    ...(info.FirewallBackend ? [` Firewall Backend: ${info.FirewallBackend.Driver}`] : []),
  ];
  return `${lines.join("\n")}\n\n`;
}
