// HostConfig: docker's checks, and the defaults that inspect shows once the container exists.
import { cpus } from "node:os";
import type { ContainerConfig } from "../../../spec/engine/container.ts";
import type { HostConfig, Resources } from "../../../spec/engine/host-config.ts";
import type { EngineConfig } from "../config/types.ts";
import { LOG_DRIVERS } from "../config/values.ts";
import { badRequest } from "../errors.ts";
import { checkHealthConfig } from "../health/config.ts";
import { normalizeCapabilities } from "../oci/capabilities.ts";
import { parseDeviceRule } from "../oci/devices.ts";
import { rlimits } from "../oci/rlimits.ts";
import { parseProfile } from "../oci/seccomp.ts";
import { parseSecurityOptions } from "../oci/security.ts";
import { MASKED_PATHS, READONLY_PATHS } from "../oci/spec.ts";
import { checkLogOptions } from "./log-options.ts";
import { portRequests } from "./ports.ts";

const MINIMUM_MEMORY = 6 << 20;

function checkMemory(host: Resources, update: boolean): void {
  if (host.Memory !== 0 && host.Memory < MINIMUM_MEMORY) {
    throw badRequest("Minimum memory limit allowed is 6MB");
  }
  if (host.Memory > 0 && host.MemorySwap > 0 && host.MemorySwap < host.Memory) {
    throw badRequest("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (host.Memory === 0 && host.MemorySwap > 0 && !update) {
    throw badRequest("You should always set the Memory limit when using Memoryswap limit, see usage");
  }
  const swappiness = host.MemorySwappiness;
  if (swappiness !== null && (swappiness < -1 || swappiness > 100)) {
    throw badRequest(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  if (host.MemoryReservation > 0 && host.MemoryReservation < MINIMUM_MEMORY) {
    throw badRequest("Minimum memory reservation allowed is 6MB");
  }
  if (host.Memory > 0 && host.MemoryReservation > host.Memory) {
    throw badRequest("Minimum memory limit can not be less than memory reservation limit, see usage");
  }
}

function checkCpu(host: Resources): void {
  if (host.NanoCpus > 0 && (host.CpuPeriod > 0 || host.CpuQuota > 0)) {
    throw badRequest("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  }
  const count = cpus().length;
  if (host.NanoCpus < 0 || host.NanoCpus > count * 1e9) {
    throw badRequest(`range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`);
  }
  if (host.CpuShares < 0) {
    throw badRequest(`invalid CPU shares (${host.CpuShares}): value must be a positive integer`);
  }
  if (host.CpuPeriod !== 0 && (host.CpuPeriod < 1000 || host.CpuPeriod > 1_000_000)) {
    throw badRequest("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (host.CpuQuota > 0 && host.CpuQuota < 1000) {
    throw badRequest("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  }
}

/** ApiError 400 for a restart policy that cannot be. */
export function checkRestart(host: Pick<HostConfig, "RestartPolicy" | "AutoRemove">): void {
  const { Name: name, MaximumRetryCount: retries } = host.RestartPolicy;
  if (!["", "no", "always", "unless-stopped", "on-failure"].includes(name)) {
    throw badRequest(
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (retries < 0) {
    throw badRequest("invalid restart policy: maximum retry count cannot be negative");
  }
  if (name !== "on-failure" && retries > 0) {
    throw badRequest("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (host.AutoRemove && name !== "" && name !== "no") {
    throw badRequest("can't create 'AutoRemove' container with restart policy");
  }
}

/** ApiError 400 for limits that cannot be, at creation or (`update`) later. */
export function checkResources(limits: Resources, update = false): void {
  checkMemory(limits, update);
  checkCpu(limits);
  if (limits.BlkioWeight !== 0 && (limits.BlkioWeight < 10 || limits.BlkioWeight > 1000)) {
    throw badRequest("Range of blkio weight is from 10 to 1000");
  }
}

function checkModes(host: HostConfig): void {
  const checks: [string, string, RegExp][] = [
    ["PID", host.PidMode, /^(|host|container:.+)$/],
    ["IPC", host.IpcMode, /^(|none|private|shareable|host|container:.+)$/],
    ["UTS", host.UTSMode, /^(|host)$/],
    ["cgroup namespace", host.CgroupnsMode, /^(|private|host)$/],
  ];
  for (const [what, mode, pattern] of checks) {
    if (!pattern.test(mode)) throw badRequest(`invalid ${what} mode: ${mode}`);
  }
  if (host.UsernsMode !== "" && host.UsernsMode !== "host") {
    throw badRequest(`invalid userns mode: ${host.UsernsMode}`);
  }
}

// moby: daemon/daemon_unix.go verifyPlatformContainerSettings
function checkRemap(host: HostConfig): void {
  if (host.UsernsMode === "host") return;
  if (host.Privileged) {
    throw badRequest(
      "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
    );
  }
  for (const [mode, what] of [
    [host.NetworkMode, "host's network"],
    [host.PidMode, "host PID"],
  ]) {
    if (mode === "host") {
      throw badRequest(`cannot share the ${what} namespace when user namespaces are enabled`);
    }
  }
}

/** Refuses what cannot be. Everything that can be known before the container exists is refused here, with nothing made yet. */
export function checkHost(config: ContainerConfig, host: HostConfig, engine: EngineConfig): void {
  if (config.WorkingDir !== "" && !config.WorkingDir.startsWith("/")) {
    throw badRequest(
      `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  for (const entry of config.Env ?? []) {
    if (entry === "" || entry.startsWith("=")) throw badRequest(`invalid environment variable: ${entry}`);
  }
  checkHealthConfig(config.Healthcheck);
  checkResources(host);
  checkRestart(host);
  checkModes(host);
  if (engine.remap) checkRemap(host);
  normalizeCapabilities(host.CapAdd, "CapAdd");
  normalizeCapabilities(host.CapDrop, "CapDrop");
  for (const rule of host.DeviceCgroupRules ?? []) parseDeviceRule(rule);
  rlimits(
    [],
    (host.Ulimits ?? []).map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard })),
  );
  const security = parseSecurityOptions(host.SecurityOpt, engine);
  if (typeof security.seccomp === "object") parseProfile(security.seccomp.profile);
  portRequests(config, host);
  if (Object.keys(host.StorageOpt ?? {}).length > 0) {
    throw badRequest("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
  }
  if (host.ShmSize < 0) throw badRequest("SHM size can not be less than 0");
  if (host.OomScoreAdj < -1000 || host.OomScoreAdj > 1000) {
    throw badRequest(`Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  for (const request of host.DeviceRequests ?? []) {
    throw badRequest(
      `could not select device driver "${request.Driver}" with capabilities: ${JSON.stringify(
        request.Capabilities ?? [],
      )
        .replaceAll('"', "")
        .replaceAll(",", " ")}`,
    );
  }
  const driver = host.LogConfig.Type || engine.logDriver;
  if (!LOG_DRIVERS.includes(driver)) {
    throw badRequest(`logger: no log driver named '${driver}' is registered`);
  }
  checkLogOptions(driver, host.LogConfig.Config);
}

/** Fills in what the engine decides where nothing was said. */
export function withHostDefaults(host: HostConfig, engine: EngineConfig, runtime: string): HostConfig {
  const filled: HostConfig = { ...host, Runtime: runtime };
  if (filled.NetworkMode === "" || filled.NetworkMode === "default") filled.NetworkMode = "bridge";
  if (filled.RestartPolicy.Name === "") filled.RestartPolicy = { Name: "no", MaximumRetryCount: 0 };
  if (filled.LogConfig.Type === "") {
    filled.LogConfig = { Type: engine.logDriver, Config: { ...engine.logOptions, ...host.LogConfig.Config } };
  }
  if (filled.CgroupnsMode === "") {
    filled.CgroupnsMode = filled.Privileged ? "host" : engine.defaultCgroupnsMode;
  }
  if (filled.IpcMode === "") filled.IpcMode = engine.defaultIpcMode;
  if (filled.ShmSize === 0) filled.ShmSize = engine.defaultShmSize;
  if (filled.Memory > 0 && filled.MemorySwap === 0) filled.MemorySwap = filled.Memory * 2;
  if (filled.Init === undefined && engine.init) filled.Init = true;
  filled.PortBindings ??= {};
  filled.Dns ??= [];
  filled.DnsOptions ??= [];
  filled.DnsSearch ??= [];
  filled.OomKillDisable ??= false;
  if (filled.CapAdd) filled.CapAdd = normalizeCapabilities(filled.CapAdd, "CapAdd");
  if (filled.CapDrop) filled.CapDrop = normalizeCapabilities(filled.CapDrop, "CapDrop");
  if (!filled.Privileged) {
    filled.MaskedPaths ??= [...MASKED_PATHS];
    filled.ReadonlyPaths ??= [...READONLY_PATHS];
  }
  return filled;
}
