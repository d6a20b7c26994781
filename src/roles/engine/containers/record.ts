// What is kept of a container in config.v2.json; names and meanings are docker's.
import { z } from "zod";
import { type ContainerConfig, containerConfig } from "../../../spec/engine/container.ts";
import { endpointSettings } from "../../../spec/engine/network.ts";
import { initialState, type StoredState } from "./state.ts";

const mountPoint = z.object({
  Type: z.enum(["bind", "volume", "tmpfs"]),
  Source: z.string(),
  Destination: z.string(),
  Name: z.string(),
  Driver: z.string(),
  /** Mode as it was written ("ro,z"). */
  Relabel: z.string(),
  RW: z.boolean(),
  Propagation: z.string(),
  NonRecursive: z.boolean().default(false),
  /** Fill an empty volume with what the image has there. */
  CopyData: z.boolean().default(false),
  /** Make the source directory when it is missing (`-v`, not `--mount`). */
  CreateSource: z.boolean().default(false),
  Subpath: z.string().default(""),
  TmpfsOptions: z.array(z.string()).default([]),
});

/** A mount of a container, as it was settled when the container was made. */
export type StoredMount = z.output<typeof mountPoint>;

const state = z.object({
  Running: z.boolean(),
  Paused: z.boolean(),
  Restarting: z.boolean(),
  OOMKilled: z.boolean(),
  RemovalInProgress: z.boolean(),
  Dead: z.boolean(),
  Pid: z.number(),
  ExitCode: z.number(),
  Error: z.string(),
  StartedAt: z.string(),
  FinishedAt: z.string(),
  Health: z.unknown().optional(),
});

export const containerRecord = z.object({
  ID: z.string().regex(/^[0-9a-f]{64}$/),
  Created: z.string(),
  Path: z.string(),
  Args: z.array(z.string()),
  Config: containerConfig,
  /** Image id. */
  Image: z.string(),
  /** Snapshot that the container's own is based on. */
  ChainID: z.string(),
  /** With a leading slash. */
  Name: z.string(),
  Driver: z.string(),
  OS: z.string(),
  State: state,
  /** What was asked for, by network name. */
  Networks: z.record(z.string(), endpointSettings).default({}),
  LogPath: z.string(),
  HostnamePath: z.string(),
  HostsPath: z.string(),
  ResolvConfPath: z.string(),
  RestartCount: z.number(),
  HasBeenStartedBefore: z.boolean(),
  HasBeenManuallyStopped: z.boolean(),
  MountPoints: z.record(z.string(), mountPoint),
  AppArmorProfile: z.string(),
  SeccompProfile: z.string(),
  NoNewPrivileges: z.boolean(),
});

export interface ContainerRecord extends Omit<z.output<typeof containerRecord>, "State" | "Config"> {
  State: StoredState;
  Config: ContainerConfig;
}

/** A record for a container that is being made. */
export function newRecord(
  fields: Pick<
    ContainerRecord,
    "ID" | "Created" | "Path" | "Args" | "Config" | "Image" | "ChainID" | "Name" | "Driver"
  > &
    Partial<ContainerRecord>,
): ContainerRecord {
  return {
    OS: "linux",
    State: initialState(),
    Networks: {},
    LogPath: "",
    HostnamePath: "",
    HostsPath: "",
    ResolvConfPath: "",
    RestartCount: 0,
    HasBeenStartedBefore: false,
    HasBeenManuallyStopped: false,
    MountPoints: {},
    AppArmorProfile: "",
    SeccompProfile: "",
    NoNewPrivileges: false,
    ...fields,
  };
}
