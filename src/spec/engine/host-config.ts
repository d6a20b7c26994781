// HostConfig and Resources of the Engine API: all fields, in the order and with the zero values that the real engine's inspect shows.
import { z } from "zod";
import {
  boolean,
  booleanPointer,
  integer,
  integerPointer,
  omitEmpty,
  string,
  stringMap,
  strings,
  strSlice,
} from "./go-json.ts";
import { mount } from "./mount.ts";

const throttleDevices = z
  .array(z.object({ Path: string, Rate: integer }))
  .nullable()
  .default(null);

export const resources = z.object({
  CpuShares: integer,
  Memory: integer,
  NanoCpus: integer,
  CgroupParent: string,
  BlkioWeight: integer,
  BlkioWeightDevice: z
    .array(z.object({ Path: string, Weight: integer }))
    .nullable()
    .default(null),
  BlkioDeviceReadBps: throttleDevices,
  BlkioDeviceWriteBps: throttleDevices,
  BlkioDeviceReadIOps: throttleDevices,
  BlkioDeviceWriteIOps: throttleDevices,
  CpuPeriod: integer,
  CpuQuota: integer,
  CpuRealtimePeriod: integer,
  CpuRealtimeRuntime: integer,
  CpusetCpus: string,
  CpusetMems: string,
  Devices: z
    .array(z.object({ PathOnHost: string, PathInContainer: string, CgroupPermissions: string }))
    .nullable()
    .default(null),
  DeviceCgroupRules: strings,
  DeviceRequests: z
    .array(
      z.object({
        Driver: string,
        Count: integer,
        DeviceIDs: strings,
        Capabilities: z.array(z.array(z.string())).nullable().default(null),
        Options: stringMap,
      }),
    )
    .nullable()
    .default(null),
  KernelMemory: omitEmpty(integer),
  KernelMemoryTCP: omitEmpty(integer),
  MemoryReservation: integer,
  MemorySwap: integer,
  MemorySwappiness: integerPointer,
  OomKillDisable: booleanPointer,
  PidsLimit: integerPointer,
  Ulimits: z
    .array(z.object({ Name: string, Hard: integer, Soft: integer }))
    .nullable()
    .default(null),
  CpuCount: integer,
  CpuPercent: integer,
  IOMaximumIOps: integer,
  IOMaximumBandwidth: integer,
});

export const portBinding = z.object({ HostIp: string, HostPort: string });
export const portMap = z.record(z.string(), z.array(portBinding).nullable());

export const restartPolicy = z.object({ Name: string, MaximumRetryCount: integer });

export const hostConfig = z.object({
  Binds: strings,
  ContainerIDFile: string,
  LogConfig: z
    .object({ Type: string, Config: z.record(z.string(), z.string()).default({}) })
    .default({ Type: "", Config: {} }),
  NetworkMode: string,
  PortBindings: portMap.nullable().default(null),
  RestartPolicy: restartPolicy.default({ Name: "", MaximumRetryCount: 0 }),
  AutoRemove: boolean,
  VolumeDriver: string,
  VolumesFrom: strings,
  ConsoleSize: z
    .array(z.number())
    .transform((size): [number, number] => [size[0] ?? 0, size[1] ?? 0])
    .default([0, 0]),
  Annotations: omitEmpty(stringMap),
  CapAdd: strSlice,
  CapDrop: strSlice,
  CgroupnsMode: string,
  Dns: strings,
  DnsOptions: strings,
  DnsSearch: strings,
  ExtraHosts: strings,
  GroupAdd: strings,
  IpcMode: string,
  Cgroup: string,
  Links: strings,
  OomScoreAdj: integer,
  PidMode: string,
  Privileged: boolean,
  PublishAllPorts: boolean,
  ReadonlyRootfs: boolean,
  SecurityOpt: strings,
  StorageOpt: omitEmpty(stringMap),
  Tmpfs: omitEmpty(stringMap),
  UTSMode: string,
  UsernsMode: string,
  ShmSize: integer,
  Sysctls: omitEmpty(stringMap),
  Runtime: omitEmpty(string),
  Isolation: string,
  ...resources.shape,
  Mounts: omitEmpty(z.array(mount)),
  /** null: the engine's defaults; an empty list: none (`--security-opt systempaths=unconfined`). */
  MaskedPaths: strings,
  ReadonlyPaths: strings,
  Init: z.boolean().optional(),
});

export const containerUpdate = z.object({ ...resources.shape, RestartPolicy: restartPolicy.optional() });

export type HostConfig = z.output<typeof hostConfig>;
export type Resources = z.output<typeof resources>;
export type RestartPolicy = z.output<typeof restartPolicy>;
export type PortBinding = z.output<typeof portBinding>;
export type PortMap = z.output<typeof portMap>;
export type ContainerUpdate = z.output<typeof containerUpdate>;
