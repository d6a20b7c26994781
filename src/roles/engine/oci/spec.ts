// Container config + host config + what the engine settled → the OCI runtime spec, as dockerd writes it.
import type { ContainerConfig } from "../../../spec/engine/container.ts";
import type { HostConfig } from "../../../spec/engine/host-config.ts";
import type {
  Capabilities,
  Config,
  Device,
  DeviceRule,
  IdMapping,
  Namespace,
  NamespaceType,
  Seccomp,
} from "../../../spec/oci/runtime.ts";
import { normalizeCapabilities, tweakCapabilities } from "./capabilities.ts";
import { DEFAULT_DEVICE_RULES, hostDevices, mappedDevices, parseDeviceRule } from "./devices.ts";
import { containerEnvironment } from "./environment.ts";
import { mountTable, type UserMount } from "./mounts.ts";
import { resources } from "./resources.ts";
import { rlimits, type UlimitValue, UNLIMITED } from "./rlimits.ts";
import { defaultSeccomp, parseProfile, resolveProfile, type SeccompContext } from "./seccomp.ts";
import type { SecurityOptions } from "./security.ts";
import type { ContainerUser } from "./user.ts";

/** The oldest that has everything we write: some runtimes (crun 1.8) refuse what is newer than themselves. */
export const OCI_VERSION = "1.0.2";
/** containerd's typeurl name for a spec. */
export const SPEC_TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
/** containerd's typeurl name for the process of an exec. */
export const PROCESS_TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/Process";

/** Parts of /proc and /sys that a container does not see. moby: oci/defaults.go */
export const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

export const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

/** Where a namespace comes from: of its own, the host's, or the one at a path. */
export type NamespaceSource = "private" | "host" | { path: string };

export interface SpecInput {
  id: string;
  config: ContainerConfig;
  host: HostConfig;
  /** Program and arguments (entrypoint + command). */
  command: readonly string[];
  hostname: string;
  /** Of the engine's own making (links); the image's and the user's go over them. */
  variables?: readonly string[];
  user: ContainerUser;
  mounts: readonly UserMount[];
  /** /etc/hosts and its like. */
  files: readonly { source: string; destination: string }[];
  namespaces: {
    pid: NamespaceSource;
    ipc: NamespaceSource;
    uts: NamespaceSource;
    network: NamespaceSource;
    cgroup: NamespaceSource;
  };
  /** With userns-remap: the container's ids on the host, and whose user namespace it is. */
  userNamespace?: { source: NamespaceSource; uids: readonly IdMapping[]; gids: readonly IdMapping[] };
  /** With a joined IPC namespace: the path of its /dev/shm. */
  sharedShm?: string;
  /** Host path of docker-init, when it is to be PID 1. */
  init?: string;
  cgroupParent: string;
  defaultUlimits: readonly UlimitValue[];
  security: SecurityOptions;
  annotations: Readonly<Record<string, string>>;
  /** What ALL and --privileged grant on this host. */
  allCapabilities: readonly string[];
  arch: SeccompContext["arch"];
  kernel?: string;
}

/** root gets its set in force, others only as the bound of what a setuid program may gain. */
export function processCapabilities(set: readonly string[], uid: number): Capabilities {
  const list = [...set];
  return uid === 0 ? { bounding: list, effective: list, permitted: list } : { bounding: list };
}

function namespaces(input: SpecInput): Namespace[] {
  const list: Namespace[] = [{ type: "mount" }];
  const from: [NamespaceType, NamespaceSource][] = [
    ["network", input.namespaces.network],
    ["uts", input.namespaces.uts],
    ["pid", input.namespaces.pid],
    ["ipc", input.namespaces.ipc],
    ["cgroup", input.namespaces.cgroup],
    ["user", input.userNamespace?.source ?? "host"],
  ];
  for (const [type, source] of from) {
    if (source === "private") list.push({ type });
    else if (source !== "host") list.push({ type, path: source.path });
  }
  return list;
}

function devices(host: HostConfig): { devices: Device[]; rules: DeviceRule[] } {
  if (host.Privileged) return { devices: hostDevices(), rules: [{ allow: true, access: "rwm" }] };
  const list: Device[] = [];
  const rules: DeviceRule[] = [...DEFAULT_DEVICE_RULES];
  for (const mapping of host.Devices ?? []) {
    const mapped = mappedDevices(mapping);
    list.push(...mapped.devices);
    rules.push(...mapped.rules);
  }
  for (const rule of host.DeviceCgroupRules ?? []) rules.push(parseDeviceRule(rule));
  return { devices: list, rules };
}

function seccomp(input: SpecInput, capabilities: readonly string[]): Seccomp | undefined {
  const { security } = input;
  if (input.host.Privileged && security.seccomp === "default") return undefined;
  if (security.seccomp === "unconfined") return undefined;
  const context: SeccompContext = { arch: input.arch, capabilities, kernel: input.kernel };
  if (security.seccomp === "default") return defaultSeccomp(context);
  return resolveProfile(parseProfile(security.seccomp.profile), context);
}

function sysctls(input: SpecInput): Record<string, string> {
  const defaults: Record<string, string> =
    input.namespaces.network === "private"
      ? {
          "net.ipv4.ip_unprivileged_port_start": "0",
          // The kernel wants both ends mapped.
          ...(input.userNamespace ? {} : { "net.ipv4.ping_group_range": "0 2147483647" }),
        }
      : {};
  return { ...defaults, ...input.host.Sysctls };
}

function ipcMounts(input: SpecInput): Parameters<typeof mountTable>[0]["ipc"] {
  if (input.namespaces.ipc === "host") return "host";
  if (input.sharedShm) return { shm: input.sharedShm };
  return input.host.IpcMode === "none" ? "none" : "private";
}

/** The whole spec. Throws ApiError for what cannot be had (an unknown capability, a device that is not there). */
export function buildSpec(input: SpecInput): Config {
  const { config, host, user, security } = input;
  const capabilities = tweakCapabilities(
    normalizeCapabilities(host.CapAdd, "CapAdd"),
    normalizeCapabilities(host.CapDrop, "CapDrop"),
    host.Privileged,
    input.allCapabilities,
  );
  const nodes = devices(host);
  const filter = seccomp(input, capabilities);
  const limits = rlimits(
    input.defaultUlimits,
    (host.Ulimits ?? []).map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard })),
  );
  const [height, width] = host.ConsoleSize;
  return {
    ociVersion: OCI_VERSION,
    process: {
      terminal: config.Tty,
      ...(config.Tty && height > 0 && width > 0 ? { consoleSize: { height, width } } : {}),
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: input.init ? ["/sbin/docker-init", "--", ...input.command] : [...input.command],
      env: containerEnvironment({
        env: [...(input.variables ?? []), ...(config.Env ?? [])],
        hostname: input.hostname,
        tty: config.Tty,
      }),
      cwd: config.WorkingDir || "/",
      capabilities: processCapabilities(capabilities, user.uid),
      ...(limits.length ? { rlimits: limits } : {}),
      noNewPrivileges: security.noNewPrivileges,
      ...(security.apparmor ? { apparmorProfile: security.apparmor } : {}),
      oomScoreAdj: host.OomScoreAdj,
    },
    root: { path: "rootfs", ...(host.ReadonlyRootfs ? { readonly: true } : {}) },
    ...(input.namespaces.uts === "private" ? { hostname: input.hostname } : {}),
    ...(input.namespaces.uts === "private" && config.Domainname ? { domainname: config.Domainname } : {}),
    mounts: mountTable({
      mounts: input.mounts,
      shmSize: host.ShmSize,
      ipc: ipcMounts(input),
      privileged: host.Privileged,
      readonlyRootfs: host.ReadonlyRootfs,
      init: input.init,
      files: input.files,
    }),
    annotations: { ...host.Annotations, ...input.annotations },
    linux: {
      ...(input.userNamespace
        ? { uidMappings: [...input.userNamespace.uids], gidMappings: [...input.userNamespace.gids] }
        : {}),
      sysctl: sysctls(input),
      resources: { devices: nodes.rules, ...resources(host) },
      cgroupsPath: `${input.cgroupParent.replace(/\/+$/, "")}/${input.id}`,
      namespaces: namespaces(input),
      ...(nodes.devices.length ? { devices: nodes.devices } : {}),
      ...(filter ? { seccomp: filter } : {}),
      ...(host.Privileged
        ? {}
        : {
            maskedPaths: [...(host.MaskedPaths ?? MASKED_PATHS)],
            readonlyPaths: [...(host.ReadonlyPaths ?? READONLY_PATHS)],
          }),
    },
  };
}

const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** A spec (or the process of an exec) as JSON bytes. An rlimit of -1 becomes the kernel's 2^64-1, which no double can hold. */
export function specBytes(spec: object): Uint8Array {
  const text = JSON.stringify(spec, function (this: unknown, key: string, value: unknown) {
    const limit = (key === "hard" || key === "soft") && value === -1;
    return limit ? rawJSON(UNLIMITED.toString()) : value;
  });
  return new TextEncoder().encode(text);
}
