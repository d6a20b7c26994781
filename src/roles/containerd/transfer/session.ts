// What one pull carries through all its steps.

import type { PlatformSpec } from "../../../spec/oci/platform.ts";
import type { Labels, Services, Snapshotter } from "../../../wire/containerd/services.ts";
import type { Reference } from "../../../wire/distribution/reference.ts";
import type { Fetcher } from "../../../wire/distribution/resolver.ts";
import type { RetryPolicy } from "../../../wire/distribution/retry.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import type { Report } from "./progress.ts";

/** The services that pulling needs: those of any containerd, in-process or remote. */
export type PullServices = Pick<Services, "content" | "images" | "snapshots" | "leases" | "diff">;

export interface Session {
  ns: string;
  services: PullServices;
  /** Whether this process unpacks, while downloading; else (a containerd elsewhere) layers are stored first, then Diff.apply runs. */
  unpackHere: boolean;
  reference: Reference;
  /** Labels that say where the blobs came from. */
  source: Labels;
  /** What the image is to run on; `exact` when the caller asked for it by name. */
  platform: PlatformSpec;
  exactPlatform: boolean;
  fetcher: Fetcher;
  /** Keeps everything that was fetched until the image record does. */
  lease: string;
  snapshotterName: string;
  snapshotter: Snapshotter;
  signal: AbortSignal;
  report: Report;
  retry: RetryPolicy;
  /** Shared by all pulls of this containerd: blobs and snapshots that two of them want are made once. */
  locks: KeyedLock;
}
