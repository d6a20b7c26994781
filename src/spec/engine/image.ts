// Images in the Engine API, and the image config blob (OCI image-spec config.md plus Docker's own fields).

export interface HealthConfig {
  Test?: string[] | null;
  /** Nanoseconds. */
  Interval?: number;
  Timeout?: number;
  Retries?: number;
  StartPeriod?: number;
  StartInterval?: number;
}

/** `config` inside an image config: the defaults for a container made from it. */
export interface ImageRunConfig {
  Hostname?: string;
  Domainname?: string;
  User?: string;
  AttachStdin?: boolean;
  AttachStdout?: boolean;
  AttachStderr?: boolean;
  ExposedPorts?: Record<string, Record<string, never>> | null;
  Tty?: boolean;
  OpenStdin?: boolean;
  StdinOnce?: boolean;
  Env?: string[] | null;
  Cmd?: string[] | null;
  Healthcheck?: HealthConfig | null;
  ArgsEscaped?: boolean;
  Image?: string;
  Volumes?: Record<string, Record<string, never>> | null;
  WorkingDir?: string;
  Entrypoint?: string[] | null;
  OnBuild?: string[] | null;
  Labels?: Record<string, string> | null;
  StopSignal?: string;
  StopTimeout?: number | null;
  Shell?: string[] | null;
}

export interface ImageHistory {
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  empty_layer?: boolean;
}

/** The config blob of an image. */
export interface DockerImageConfig {
  created?: string;
  author?: string;
  architecture: string;
  variant?: string;
  os: string;
  "os.version"?: string;
  docker_version?: string;
  container?: string;
  config?: ImageRunConfig;
  rootfs: { type: string; diff_ids: string[] };
  history?: ImageHistory[];
}

/** What a registry, an index or a store says of one blob (OCI descriptor). */
export interface BlobDescriptor {
  mediaType: string;
  digest: string;
  size: number;
  urls?: string[];
  annotations?: Record<string, string>;
  platform?: {
    architecture: string;
    os: string;
    "os.version"?: string;
    "os.features"?: string[];
    variant?: string;
  };
}

/** One manifest of an image, with `manifests=1`. */
export interface ManifestSummary {
  ID: string;
  Descriptor: BlobDescriptor;
  /** Whether all of its blobs are here. */
  Available: boolean;
  Size: { Content: number; Total: number };
  Kind: "image" | "attestation" | "unknown";
  ImageData?: {
    Platform: { architecture: string; os: string; variant?: string };
    /** Ids of the containers made from it. */
    Containers: string[];
    Size: { Unpacked: number };
  };
  AttestationData?: { For: string };
}

/** GET /images/json */
export interface ImageSummary {
  Id: string;
  ParentId: string;
  RepoTags: string[];
  RepoDigests: string[];
  /** Seconds since the epoch. */
  Created: number;
  Size: number;
  SharedSize: number;
  /** Up to API 1.43. */
  VirtualSize?: number;
  Labels: Record<string, string> | null;
  Containers: number;
  /** From API 1.47, when asked for. */
  Manifests?: ManifestSummary[];
  /** From API 1.48. */
  Descriptor?: ImageInspect["Descriptor"];
}

/** GET /images/{name}/json */
export interface ImageInspect {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  Parent: string;
  Comment: string;
  Created?: string;
  /** Up to API 1.44. */
  Container?: string;
  ContainerConfig?: ImageRunConfig;
  DockerVersion: string;
  Author: string;
  Config: ImageRunConfig | null;
  Architecture: string;
  Variant?: string;
  Os: string;
  OsVersion?: string;
  Size: number;
  VirtualSize?: number;
  GraphDriver: { Name: string; Data: Record<string, string> | null };
  RootFS: { Type: string; Layers?: string[] };
  Metadata: { LastTagTime: string };
  /** From API 1.48: what the name points to. */
  Descriptor?: BlobDescriptor;
  /** From API 1.48, when asked for. */
  Manifests?: ManifestSummary[];
}

/** One entry of GET /images/search */
export interface SearchResult {
  star_count: number;
  is_official: boolean;
  name: string;
  is_automated: boolean;
  description: string;
}

/** GET /distribution/{name}/json */
export interface DistributionInspect {
  Descriptor: BlobDescriptor;
  Platforms: NonNullable<BlobDescriptor["platform"]>[];
}

/** GET /images/{name}/history */
export interface ImageHistoryItem {
  Id: string;
  Created: number;
  CreatedBy: string;
  Tags: string[] | null;
  Size: number;
  Comment: string;
}

/** One line of DELETE /images/{name} */
export type ImageDeleteItem = { Untagged: string } | { Deleted: string };

/** One line of the progress stream of POST /images/create and its like. */
export interface ProgressLine {
  status?: string;
  id?: string;
  progressDetail?: { current?: number; total?: number };
  progress?: string;
  stream?: string;
  aux?: unknown;
  errorDetail?: { code?: number; message: string };
  error?: string;
}
