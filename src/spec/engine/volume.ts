// Volumes in the Engine API.
import { z } from "zod";
import { string, stringMap } from "./go-json.ts";

/** Body of POST /volumes/create */
export const volumeCreate = z.object({
  Name: string,
  Driver: string,
  DriverOpts: stringMap,
  Labels: stringMap,
  ClusterVolumeSpec: z.object({}).optional(),
});

export interface VolumeInspect {
  CreatedAt: string;
  Driver: string;
  Labels: Record<string, string> | null;
  Mountpoint: string;
  Name: string;
  Options: Record<string, string> | null;
  Scope: "local";
  UsageData?: { RefCount: number; Size: number };
}

export interface VolumeList {
  Volumes: VolumeInspect[];
  Warnings: string[] | null;
}
