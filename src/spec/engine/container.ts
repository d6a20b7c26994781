// Containers in the Engine API: request bodies as zod schemas, answers as types.
import { z } from "zod";
import { boolean, integer, omitEmpty, string, stringMap, stringSet, strings, strSlice } from "./go-json.ts";
import { type HostConfig, hostConfig, type PortMap } from "./host-config.ts";
import type { MountPoint } from "./mount.ts";
import { type EndpointSettings, networkingConfig } from "./network.ts";

export const healthConfig = z.object({
  Test: z.array(z.string()).optional(),
  Interval: omitEmpty(integer),
  Timeout: omitEmpty(integer),
  StartPeriod: omitEmpty(integer),
  StartInterval: omitEmpty(integer),
  Retries: omitEmpty(integer),
});

export const containerConfig = z.object({
  Hostname: string,
  Domainname: string,
  User: string,
  AttachStdin: boolean,
  AttachStdout: boolean,
  AttachStderr: boolean,
  ExposedPorts: omitEmpty(stringSet),
  Tty: boolean,
  OpenStdin: boolean,
  StdinOnce: boolean,
  Env: strings,
  Cmd: strSlice,
  Healthcheck: healthConfig.optional(),
  ArgsEscaped: omitEmpty(boolean),
  Image: string,
  Volumes: stringSet,
  WorkingDir: string,
  Entrypoint: strSlice,
  NetworkDisabled: omitEmpty(boolean),
  MacAddress: omitEmpty(string),
  OnBuild: strings,
  Labels: stringMap,
  StopSignal: omitEmpty(string),
  StopTimeout: z
    .number()
    .transform((value) => Math.trunc(value))
    .optional(),
  Shell: omitEmpty(strSlice),
});

/** Body of POST /containers/create: the config with two objects beside its fields. */
export const containerCreate = z.object({
  ...containerConfig.shape,
  HostConfig: hostConfig.optional(),
  NetworkingConfig: networkingConfig.optional(),
});

export type ContainerConfig = z.output<typeof containerConfig>;
export type ContainerCreate = z.output<typeof containerCreate>;

export interface ContainerCreateResponse {
  Id: string;
  Warnings: string[];
}

export interface HealthLog {
  Start: string;
  End: string;
  ExitCode: number;
  Output: string;
}

export interface Health {
  Status: "none" | "starting" | "healthy" | "unhealthy";
  FailingStreak: number;
  Log: HealthLog[];
}

export type ContainerStatus =
  | "created"
  | "running"
  | "paused"
  | "restarting"
  | "removing"
  | "exited"
  | "dead";

export interface ContainerState {
  Status: ContainerStatus;
  Running: boolean;
  Paused: boolean;
  Restarting: boolean;
  OOMKilled: boolean;
  Dead: boolean;
  Pid: number;
  ExitCode: number;
  Error: string;
  StartedAt: string;
  FinishedAt: string;
  Health?: Health;
}

/** NetworkSettings of inspect; the fields between SecondaryIPAddresses and MacAddress repeat the default network's. */
export interface NetworkSettings {
  Bridge: string;
  SandboxID: string;
  SandboxKey: string;
  Ports: PortMap;
  HairpinMode: boolean;
  LinkLocalIPv6Address: string;
  LinkLocalIPv6PrefixLen: number;
  SecondaryIPAddresses: null;
  SecondaryIPv6Addresses: null;
  EndpointID: string;
  Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  IPAddress: string;
  IPPrefixLen: number;
  IPv6Gateway: string;
  MacAddress: string;
  Networks: Record<string, EndpointSettings>;
}

/** GET /containers/{id}/json */
export interface ContainerInspect {
  Id: string;
  Created: string;
  Path: string;
  Args: string[];
  State: ContainerState;
  /** Image id. */
  Image: string;
  ResolvConfPath: string;
  HostnamePath: string;
  HostsPath: string;
  LogPath: string;
  /** With a leading slash. */
  Name: string;
  RestartCount: number;
  Driver: string;
  Platform: string;
  MountLabel: string;
  ProcessLabel: string;
  AppArmorProfile: string;
  ExecIDs: string[] | null;
  HostConfig: HostConfig;
  GraphDriver: { Name: string; Data: Record<string, string> | null };
  SizeRw?: number;
  SizeRootFs?: number;
  Mounts: MountPoint[];
  Config: ContainerConfig;
  NetworkSettings: NetworkSettings;
}

export interface PortSummary {
  IP?: string;
  PrivatePort: number;
  PublicPort?: number;
  Type: "tcp" | "udp" | "sctp";
}

/** One entry of GET /containers/json */
export interface ContainerSummary {
  Id: string;
  /** With leading slashes. */
  Names: string[];
  /** As given at creation. */
  Image: string;
  ImageID: string;
  Command: string;
  Created: number;
  Ports: PortSummary[];
  SizeRw?: number;
  SizeRootFs?: number;
  Labels: Record<string, string>;
  State: ContainerStatus;
  /** "Up 2 minutes (healthy)" */
  Status: string;
  HostConfig: { NetworkMode: string; Annotations?: Record<string, string> };
  NetworkSettings: { Networks: Record<string, EndpointSettings> };
  Mounts: MountPoint[];
}

/** POST /containers/{id}/wait */
export interface ContainerWaitResponse {
  StatusCode: number;
  Error?: { Message: string };
}

/** GET /containers/{id}/top */
export interface ContainerTopResponse {
  Titles: string[];
  Processes: string[][];
}
