// A command line of `run` or `create` → the body of POST /containers/create, field for field what the docker CLI sends.
import type { ConfigFile } from "../config/file.ts";
import { proxyWords } from "../config/proxies.ts";
import type { Flags } from "../flags/flagset.ts";
import { parseBps, parseIops, parseUlimit, parseWeight } from "./checks.ts";
import { keyValueFile, keyValues } from "./files.ts";
import { parseGpus } from "./gpus.ts";
import {
  checkModes,
  isCdi,
  parseCapabilities,
  parseDevice,
  parseHealth,
  parseRestart,
  parseSecurity,
  parseStorage,
} from "./host.ts";
import { parseMount, parseVolume } from "./mount.ts";
import { endpointSettings, hasEndpoint, parseNetworks } from "./network.ts";
import { parsePorts } from "./ports.ts";

const orNull = (list: readonly string[]) => (list.length > 0 ? [...list] : null);
const whenAny = <T extends object>(map: T) => (Object.keys(map).length > 0 ? map : undefined);
const set = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));

function environment(flags: Flags, config: ConfigFile, host: string): string[] | null {
  const words = [
    ...proxyWords(config, host),
    ...flags.list("env-file").flatMap((path) => keyValueFile(path, (name) => process.env[name])),
    ...flags.list("env"),
  ];
  const last = new Map(words.map((word) => [word.split("=", 1)[0]!, word]));
  return last.size > 0 ? [...last.values()] : null;
}

/** Which streams the client takes: -a, else -d takes none; -i adds stdin. */
function streams(flags: Flags, detached: boolean) {
  const attach = flags.list("attach");
  if (attach.length > 0) {
    return {
      stdin: attach.includes("stdin"),
      stdout: attach.includes("stdout"),
      stderr: attach.includes("stderr"),
    };
  }
  return { stdin: flags.bool("interactive") && !detached, stdout: !detached, stderr: !detached };
}

export interface CreateContext {
  config: ConfigFile;
  /** The engine's address, for config.json's proxies. */
  host: string;
  detached: boolean;
  /** [rows, columns] of our terminal, for a container with one. */
  consoleSize?: [number, number];
}

/** The body. Throws Error with docker's words on what does not fit together. */
export function createRequest(
  flags: Flags,
  image: string,
  command: readonly string[],
  context: CreateContext,
) {
  const pull = flags.string("pull");
  if (!["always", "missing", "never"].includes(pull)) {
    throw new Error(`invalid pull option: '${pull}': must be one of "always", "missing" or "never"`);
  }
  const { stdin, stdout, stderr } = streams(flags, context.detached);
  const swappiness = flags.number("memory-swappiness");
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) {
    throw new Error(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  const volumes = flags.list("volume").map(parseVolume);
  const binds = volumes.flatMap((volume) => ("bind" in volume ? [volume.bind] : []));
  const anonymous = volumes.flatMap((volume) => ("anonymous" in volume ? [volume.anonymous] : []));
  const tmpfs: Record<string, string> = {};
  for (const spec of flags.list("tmpfs")) {
    const colon = spec.indexOf(":");
    tmpfs[colon < 0 ? spec : spec.slice(0, colon)] = colon < 0 ? "" : spec.slice(colon + 1);
  }
  const { exposed, bindings } = parsePorts(flags.list("publish"), flags.list("expose"));
  const networks = parseNetworks(flags);
  const devices = flags.list("device");
  const requests = [
    ...flags.list("gpus").map(parseGpus),
    ...(devices.some(isCdi)
      ? [{ Driver: "cdi", Count: 0, DeviceIDs: devices.filter(isCdi), Capabilities: null, Options: null }]
      : []),
  ];
  checkModes(flags);
  const restart = parseRestart(flags.string("restart"));
  if (flags.bool("rm") && flags.changed("restart") && !["", "no"].includes(restart.Name)) {
    throw new Error("conflicting options: cannot specify both --restart and --rm");
  }
  const logOptions = keyValues(flags.list("log-opt"));
  const logDriver = flags.string("log-driver");
  if (logDriver === "none" && Object.keys(logOptions).length > 0) {
    throw new Error(`invalid logging opts for driver ${logDriver}`);
  }
  const security = parseSecurity(flags.list("security-opt"));
  const mounts = flags.list("mount").map(parseMount);
  const health = parseHealth(flags);
  const [capAdd, capDrop] = parseCapabilities(flags.list("cap-add"), flags.list("cap-drop"));
  const entrypoint = flags.changed("entrypoint") ? [flags.string("entrypoint")] : null;
  const stopTimeout = flags.changed("stop-timeout") ? flags.number("stop-timeout") : undefined;
  const stopSignal = flags.string("stop-signal");
  const labels = keyValues([
    ...flags.list("label-file").flatMap((path) => keyValueFile(path, () => undefined)),
    ...flags.list("label"),
  ]);
  const memory = flags.number("memory");

  return {
    Hostname: flags.string("hostname"),
    Domainname: flags.string("domainname"),
    User: flags.string("user"),
    AttachStdin: stdin,
    AttachStdout: stdout,
    AttachStderr: stderr,
    ExposedPorts: whenAny(set(exposed)),
    Tty: flags.bool("tty"),
    OpenStdin: flags.bool("interactive"),
    StdinOnce: flags.bool("interactive") && stdin,
    Env: environment(flags, context.config, context.host),
    Cmd: command.length > 0 ? [...command] : null,
    Healthcheck: health,
    Image: image,
    Volumes: set(anonymous),
    WorkingDir: flags.string("workdir"),
    Entrypoint: entrypoint,
    OnBuild: null,
    Labels: labels,
    StopSignal: stopSignal === "" ? undefined : stopSignal,
    StopTimeout: stopTimeout,
    HostConfig: {
      Binds: orNull(binds),
      ContainerIDFile: flags.string("cidfile"),
      LogConfig: { Type: logDriver, Config: logOptions },
      NetworkMode: networks[0]!.target,
      PortBindings: bindings,
      RestartPolicy: restart,
      AutoRemove: flags.bool("rm"),
      VolumeDriver: flags.string("volume-driver"),
      VolumesFrom: orNull(flags.list("volumes-from")),
      ConsoleSize: context.consoleSize ?? [0, 0],
      Annotations: whenAny(keyValues(flags.list("annotation"))),
      CapAdd: orNull(capAdd),
      CapDrop: orNull(capDrop),
      CgroupnsMode: flags.string("cgroupns"),
      Dns: [...flags.list("dns")],
      DnsOptions: [...flags.list("dns-option")],
      DnsSearch: [...flags.list("dns-search")],
      ExtraHosts: orNull(flags.list("add-host")),
      GroupAdd: orNull(flags.list("group-add")),
      IpcMode: flags.string("ipc"),
      Cgroup: "",
      Links: orNull(flags.list("link")),
      OomScoreAdj: flags.number("oom-score-adj"),
      PidMode: flags.string("pid"),
      Privileged: flags.bool("privileged"),
      PublishAllPorts: flags.bool("publish-all"),
      ReadonlyRootfs: flags.bool("read-only"),
      SecurityOpt: security.options,
      StorageOpt: parseStorage(flags.list("storage-opt")),
      Tmpfs: whenAny(tmpfs),
      UTSMode: flags.string("uts"),
      UsernsMode: flags.string("userns"),
      ShmSize: flags.number("shm-size"),
      Sysctls: whenAny(keyValues(flags.list("sysctl"))),
      Runtime: flags.string("runtime") || undefined,
      Isolation: flags.string("isolation"),
      CpuShares: flags.number("cpu-shares"),
      Memory: memory,
      NanoCpus: flags.number("cpus"),
      CgroupParent: flags.string("cgroup-parent"),
      BlkioWeight: flags.number("blkio-weight"),
      BlkioWeightDevice: flags.list("blkio-weight-device").map(parseWeight),
      BlkioDeviceReadBps: flags.list("device-read-bps").map(parseBps),
      BlkioDeviceWriteBps: flags.list("device-write-bps").map(parseBps),
      BlkioDeviceReadIOps: flags.list("device-read-iops").map(parseIops),
      BlkioDeviceWriteIOps: flags.list("device-write-iops").map(parseIops),
      CpuPeriod: flags.number("cpu-period"),
      CpuQuota: flags.number("cpu-quota"),
      CpuRealtimePeriod: flags.number("cpu-rt-period"),
      CpuRealtimeRuntime: flags.number("cpu-rt-runtime"),
      CpusetCpus: flags.string("cpuset-cpus"),
      CpusetMems: flags.string("cpuset-mems"),
      Devices: devices.filter((device) => !isCdi(device)).map(parseDevice),
      DeviceCgroupRules: orNull(flags.list("device-cgroup-rule")),
      DeviceRequests: requests.length > 0 ? requests : null,
      KernelMemory: flags.number("kernel-memory") || undefined,
      MemoryReservation: flags.number("memory-reservation"),
      MemorySwap: flags.number("memory-swap"),
      MemorySwappiness: swappiness,
      OomKillDisable: flags.bool("oom-kill-disable"),
      PidsLimit: flags.number("pids-limit"),
      Ulimits: flags
        .list("ulimit")
        .map(parseUlimit)
        .sort((a, b) => (a.Name < b.Name ? -1 : 1)),
      CpuCount: flags.number("cpu-count"),
      CpuPercent: flags.number("cpu-percent"),
      IOMaximumIOps: flags.number("io-maxiops"),
      IOMaximumBandwidth: flags.number("io-maxbandwidth"),
      Mounts: mounts.length > 0 ? mounts : undefined,
      MaskedPaths: security.masked,
      ReadonlyPaths: security.readonly,
      Init: flags.changed("init") ? flags.bool("init") : undefined,
    },
    NetworkingConfig: {
      EndpointsConfig: Object.fromEntries(
        networks.filter(hasEndpoint).map((network) => [network.target, endpointSettings(network)]),
      ),
    },
  };
}

export type CreateRequest = ReturnType<typeof createRequest>;

/** What an older engine does not know, taken out or said the old way. */
export function forVersion(request: CreateRequest, atLeast: (version: string) => boolean): object {
  const host: Record<string, unknown> = { ...request.HostConfig };
  if (!atLeast("1.42")) delete host["ConsoleSize"];
  if (!atLeast("1.43")) delete host["Annotations"];
  if (atLeast("1.44")) return { ...request, HostConfig: host };
  // Before 1.44 the MAC address is the container's, and "default" is no network with endpoint settings.
  const [first] = Object.values(request.NetworkingConfig.EndpointsConfig);
  return { ...request, MacAddress: first?.MacAddress || undefined, HostConfig: host };
}
