// Mounts in HostConfig (Engine API, definition Mount).
import { z } from "zod";
import { boolean, integer, omitEmpty, string, stringMap } from "./go-json.ts";

const bindOptions = z.object({
  Propagation: omitEmpty(string),
  NonRecursive: omitEmpty(boolean),
  CreateMountpoint: omitEmpty(boolean),
  ReadOnlyNonRecursive: omitEmpty(boolean),
  ReadOnlyForceRecursive: omitEmpty(boolean),
});

const volumeOptions = z.object({
  NoCopy: omitEmpty(boolean),
  Labels: omitEmpty(stringMap),
  Subpath: omitEmpty(string),
  DriverConfig: z.object({ Name: omitEmpty(string), Options: omitEmpty(stringMap) }).optional(),
});

const tmpfsOptions = z.object({
  SizeBytes: omitEmpty(integer),
  Mode: omitEmpty(integer),
  Options: omitEmpty(z.array(z.array(z.string()))),
});

export const mount = z.object({
  Type: omitEmpty(string),
  Source: omitEmpty(string),
  Target: omitEmpty(string),
  ReadOnly: omitEmpty(boolean),
  Consistency: omitEmpty(string),
  BindOptions: bindOptions.optional(),
  VolumeOptions: volumeOptions.optional(),
  ImageOptions: z.object({ Subpath: omitEmpty(string) }).optional(),
  TmpfsOptions: tmpfsOptions.optional(),
  ClusterOptions: z.object({}).optional(),
});

export type Mount = z.output<typeof mount>;

/** A mount as container inspect and list show it. */
export interface MountPoint {
  Type: "bind" | "volume" | "tmpfs" | "image";
  Name?: string;
  Source: string;
  Destination: string;
  Driver?: string;
  Mode: string;
  RW: boolean;
  Propagation: string;
}
