// The containerd services as TypeScript interfaces: one interface a service, three implementations — local
// (src/roles/containerd), gRPC client (./client) and the gRPC server that wraps a local one (./server). Whoever holds one
// cannot tell which. Semantics are containerd's (api/services/*/v1); names too. Every call takes the namespace it acts in.
//
// Failures are ServiceError with a gRPC-style code, so that the wire can carry them unchanged.

/** Codes of containerd's errdefs, by their gRPC names. */
export type ServiceErrorCode =
  | "NotFound"
  | "AlreadyExists"
  | "InvalidArgument"
  | "FailedPrecondition"
  | "Unavailable"
  | "Unimplemented"
  | "Aborted"
  | "Canceled"
  | "OutOfRange"
  | "ResourceExhausted"
  | "PermissionDenied"
  | "DeadlineExceeded"
  | "DataLoss"
  | "Internal"
  | "Unknown";

export class ServiceError extends Error {
  override readonly name = "ServiceError";
  constructor(
    readonly code: ServiceErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export type Labels = Readonly<Record<string, string>>;

/** google.protobuf.Any: the type URL and its bytes (OCI specs travel as JSON bytes under containerd's typeurl names). */
export interface AnyValue {
  typeUrl: string;
  value: Uint8Array;
}

/** containerd.types.Descriptor (OCI image-spec descriptor.md). `digest` is "sha256:…". */
export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Labels;
}

/** containerd.types.Mount: `options` as in fstab. */
export interface Mount {
  type: string;
  source: string;
  target?: string;
  options: string[];
}

export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

export interface NamespaceInfo {
  name: string;
  labels: Labels;
}

export interface Namespaces {
  /** One that does not exist has no labels; that is no error. */
  get(name: string): Promise<NamespaceInfo>;
  list(): Promise<NamespaceInfo[]>;
  create(info: NamespaceInfo): Promise<NamespaceInfo>;
  /** Replaces the labels named in `fieldpaths` ("labels", "labels.key"); all of them when absent. */
  update(info: NamespaceInfo, fieldpaths?: string[]): Promise<NamespaceInfo>;
  /** FailedPrecondition while the namespace still holds something. */
  delete(name: string): Promise<void>;
}

export interface ContentInfo {
  digest: string;
  size: number;
  createdAt: Date;
  updatedAt: Date;
  labels: Labels;
}

export interface IngestStatus {
  ref: string;
  offset: number;
  total: number;
  expected: string;
  startedAt: Date;
  updatedAt: Date;
}

/** A resumable ingest. Data is written at `offset`; nothing is visible before `commit` verified it. */
export interface ContentWriter {
  /** Where the bytes lie while they come in, when this process may read them there. */
  readonly file?: string;
  status(): IngestStatus;
  /** Of what is written so far. */
  digest(): string;
  /** Appends. Backpressure: await it. */
  write(chunk: Uint8Array): Promise<void>;
  /** Throws away what was written. */
  truncate(offset: number): Promise<void>;
  /** Verifies size and digest when given, makes the blob durable and visible. FailedPrecondition on mismatch, AlreadyExists. */
  commit(size: number, expected: string | undefined, labels?: Labels): Promise<{ digest: string }>;
  /** Leaves the ingest as it is, to be resumed by the same ref. */
  close(): Promise<void>;
}

export interface ContentStore {
  info(ns: string, digest: string): Promise<ContentInfo>;
  update(
    ns: string,
    info: Pick<ContentInfo, "digest" | "labels">,
    fieldpaths?: string[],
  ): Promise<ContentInfo>;
  list(ns: string, filters?: string[]): Promise<ContentInfo[]>;
  delete(ns: string, digest: string): Promise<void>;
  /** The bytes [offset, offset+size); whole blob by default. NotFound. */
  read(ns: string, digest: string, range?: { offset?: number; size?: number }): AsyncIterable<Uint8Array>;
  /** Where a blob lies, when this process may read it there. */
  file?(digest: string): string;
  statuses(ns: string, filters?: string[]): Promise<IngestStatus[]>;
  status(ns: string, ref: string): Promise<IngestStatus>;
  abort(ns: string, ref: string): Promise<void>;
  /** Opens or resumes the ingest `ref`. Unavailable while another writer holds it; AlreadyExists when `expected` is there. */
  writer(ns: string, ref: string, options?: { total?: number; expected?: string }): Promise<ContentWriter>;
}

export interface Image {
  /** Full reference, e.g. "docker.io/library/busybox:latest". */
  name: string;
  labels: Labels;
  target: Descriptor;
  createdAt: Date;
  updatedAt: Date;
}

export interface Images {
  get(ns: string, name: string): Promise<Image>;
  list(ns: string, filters?: string[]): Promise<Image[]>;
  create(ns: string, image: Pick<Image, "name" | "labels" | "target">): Promise<Image>;
  update(ns: string, image: Pick<Image, "name" | "labels" | "target">, fieldpaths?: string[]): Promise<Image>;
  /** `sync`: garbage collection has run when this returns. */
  delete(ns: string, name: string, options?: { sync?: boolean }): Promise<void>;
}

export interface ContainerRecord {
  id: string;
  labels: Labels;
  image: string;
  runtime: { name: string; options?: AnyValue };
  /** The OCI runtime spec as JSON bytes. */
  spec: AnyValue;
  snapshotter: string;
  snapshotKey: string;
  createdAt: Date;
  updatedAt: Date;
  extensions: Readonly<Record<string, AnyValue>>;
}

export interface Containers {
  get(ns: string, id: string): Promise<ContainerRecord>;
  list(ns: string, filters?: string[]): Promise<ContainerRecord[]>;
  create(ns: string, record: Omit<ContainerRecord, "createdAt" | "updatedAt">): Promise<ContainerRecord>;
  update(
    ns: string,
    record: Partial<ContainerRecord> & { id: string },
    fieldpaths?: string[],
  ): Promise<ContainerRecord>;
  delete(ns: string, id: string): Promise<void>;
}

export type SnapshotKind = "View" | "Active" | "Committed";

export interface SnapshotInfo {
  name: string;
  parent: string;
  kind: SnapshotKind;
  createdAt: Date;
  updatedAt: Date;
  labels: Labels;
}

/** One snapshotter ("overlayfs"). Read containerd's core/snapshots/snapshotter.go for the life of a snapshot. */
export interface Snapshotter {
  stat(ns: string, key: string): Promise<SnapshotInfo>;
  update(
    ns: string,
    info: Pick<SnapshotInfo, "name" | "labels">,
    fieldpaths?: string[],
  ): Promise<SnapshotInfo>;
  /** Bytes and inodes that the snapshot itself holds, without its parents. */
  usage(ns: string, key: string): Promise<{ size: number; inodes: number }>;
  mounts(ns: string, key: string): Promise<Mount[]>;
  prepare(ns: string, key: string, parent: string, labels?: Labels): Promise<Mount[]>;
  view(ns: string, key: string, parent: string, labels?: Labels): Promise<Mount[]>;
  /** Turns the active snapshot `key` into the committed `name`, durably. AlreadyExists when `name` is there. */
  commit(ns: string, name: string, key: string, labels?: Labels): Promise<void>;
  remove(ns: string, key: string): Promise<void>;
  list(ns: string, filters?: string[]): Promise<SnapshotInfo[]>;
}

export interface Snapshots {
  /** The snapshotter of that name ("" is the default one). InvalidArgument for an unknown name. */
  snapshotter(name: string): Snapshotter;
}

export interface Diff {
  /** Applies a layer blob onto mounts; returns the descriptor of the uncompressed tar (its digest is the diff ID). */
  apply(ns: string, layer: Descriptor, mounts: Mount[]): Promise<Descriptor>;
  /** Writes the layer that leads from `lower` to `upper` into the content store. */
  diff(
    ns: string,
    lower: Mount[],
    upper: Mount[],
    options: { mediaType: string; ref: string; labels?: Labels },
  ): Promise<Descriptor>;
}

export interface Lease {
  id: string;
  createdAt: Date;
  labels: Labels;
}

/** `type` is "content", "ingests" or "snapshots/overlayfs". */
export interface LeaseResource {
  id: string;
  type: string;
}

export interface Leases {
  /** A lease with the label containerd.io/gc.expire (RFC 3339) ends by itself then. An empty id is made up. */
  create(ns: string, id: string, labels?: Labels): Promise<Lease>;
  delete(ns: string, id: string, options?: { sync?: boolean }): Promise<void>;
  list(ns: string, filters?: string[]): Promise<Lease[]>;
  addResource(ns: string, id: string, resource: LeaseResource): Promise<void>;
  deleteResource(ns: string, id: string, resource: LeaseResource): Promise<void>;
  listResources(ns: string, id: string): Promise<LeaseResource[]>;
}

export interface Envelope {
  timestamp: Date;
  namespace: string;
  /** "/tasks/exit" … */
  topic: string;
  event: AnyValue;
}

export interface Events {
  publish(ns: string, topic: string, event: AnyValue): Promise<void>;
  forward(envelope: Envelope): Promise<void>;
  /** Everything from now on, all namespaces; filters like `topic=="/tasks/exit",namespace==moby`. Ends by `signal`. */
  subscribe(filters: string[], signal: AbortSignal): AsyncIterable<Envelope>;
}

export type TaskStatus = "UNKNOWN" | "CREATED" | "RUNNING" | "STOPPED" | "PAUSED" | "PAUSING";

/** containerd.v1.types.Process, for the init process and for execs. */
export interface TaskProcess {
  containerId: string;
  /** Exec id, "" for the init process. */
  id: string;
  pid: number;
  status: TaskStatus;
  stdin: string;
  stdout: string;
  stderr: string;
  terminal: boolean;
  exitStatus: number;
  exitedAt?: Date;
}

export interface TaskExit {
  pid: number;
  exitStatus: number;
  exitedAt: Date;
}

export interface TaskIO {
  /** FIFO paths (or binary://, file:// URIs for output); "" is /dev/null. */
  stdin: string;
  stdout: string;
  stderr: string;
  terminal: boolean;
}

export interface CreateTask extends TaskIO {
  containerId: string;
  rootfs: Mount[];
  /** containerd.runc.v1.Options, merged over the container's own runtime options. */
  options?: AnyValue;
  /** Overrides the container record's runtime. */
  runtime?: string;
}

export interface Tasks {
  create(ns: string, request: CreateTask): Promise<{ containerId: string; pid: number }>;
  /** Starts the init process, or the exec `execId`. */
  start(ns: string, containerId: string, execId?: string): Promise<{ pid: number }>;
  delete(ns: string, containerId: string): Promise<TaskExit>;
  deleteProcess(ns: string, containerId: string, execId: string): Promise<TaskExit>;
  get(ns: string, containerId: string, execId?: string): Promise<TaskProcess>;
  list(ns: string): Promise<TaskProcess[]>;
  kill(
    ns: string,
    containerId: string,
    signal: number,
    options?: { execId?: string; all?: boolean },
  ): Promise<void>;
  /** Registers an exec; `spec` is an OCI process as JSON bytes. */
  exec(ns: string, containerId: string, request: TaskIO & { execId: string; spec: AnyValue }): Promise<void>;
  resizePty(ns: string, containerId: string, execId: string, width: number, height: number): Promise<void>;
  closeIO(ns: string, containerId: string, execId: string, stdin: boolean): Promise<void>;
  pause(ns: string, containerId: string): Promise<void>;
  resume(ns: string, containerId: string): Promise<void>;
  listPids(ns: string, containerId: string): Promise<{ pid: number; info?: AnyValue }[]>;
  update(ns: string, containerId: string, resources: AnyValue, annotations?: Labels): Promise<void>;
  metrics(ns: string, filters?: string[]): Promise<{ timestamp: Date; id: string; data: AnyValue }[]>;
  /** Resolves when the process has exited (at once when it already has). */
  wait(ns: string, containerId: string, execId?: string): Promise<Omit<TaskExit, "pid">>;
}

export interface Version {
  version(): Promise<{ version: string; revision: string }>;
}

export interface Plugin {
  type: string;
  id: string;
  platforms: Platform[];
  exports: Labels;
  capabilities: string[];
  initError?: string;
}

export interface Introspection {
  plugins(filters?: string[]): Promise<Plugin[]>;
  server(): Promise<{ uuid: string; pid: number; pidns: number }>;
}

/** Credentials for one registry host. `identityToken` is an OAuth2 refresh token. */
export interface RegistryAuth {
  username?: string;
  password?: string;
  identityToken?: string;
}

/** Progress of a transfer, one per change: `id` is a blob's digest, absent for messages about the whole. */
export interface TransferProgress {
  event:
    | "resolved"
    | "waiting"
    | "downloading"
    | "verifying"
    | "downloaded"
    | "extracting"
    | "complete"
    | "exists"
    | "uploading"
    | "mounted"
    | "saved"
    | "done";
  id?: string;
  digest?: string;
  mediaType?: string;
  progress?: number;
  total?: number;
  /** Of "mounted": the repository that the registry took the blob from. */
  from?: string;
}

export interface PullRequest {
  /** Full reference. */
  reference: string;
  auth?: RegistryAuth;
  platform?: Platform;
  /** Asked before the registry itself, in this order. Known to transfers in this process only: the gRPC request has no field for it. */
  mirrors?: { url: string; insecure: boolean }[];
  /** Directory of hosts.toml files (containerd's docs/hosts.md) on the daemon's side, in place of the daemon's own. */
  hostsDir?: string;
  /** Speak plain http, or https without verifying, to this registry. */
  insecure?: boolean;
  snapshotter?: string;
  /** Unpack into snapshots as well (default), not just fetch. */
  unpack?: boolean;
  signal?: AbortSignal;
}

export interface PushRequest {
  /** Full reference to push to: registry, repository and tag (or digest). */
  reference: string;
  /** Name of the image record to push, when it is not the reference. */
  image?: string;
  auth?: RegistryAuth;
  /** As in PullRequest. */
  hostsDir?: string;
  /** Push the one manifest for that platform out of an index. NotFound without one. */
  platform?: Platform;
  /**
   * When an index has manifests that are neither here nor in the registry: push the one for this host's platform in its place,
   * as Docker does. Otherwise that is NotFound. Known to transfers in this process only.
   */
  singleIfIncomplete?: boolean;
  /** Speak plain http, or https without verifying, to this registry. */
  insecure?: boolean;
  signal?: AbortSignal;
}

export interface ExportRequest {
  /** Names of image records. */
  images: readonly string[];
  /** One platform's manifest out of each index; without it all that is here. */
  platform?: Platform;
  /** NotFound when an index has platforms that are not here. */
  allPlatforms?: boolean;
  /** Without manifest.json, by which `docker load` finds the images. */
  skipDockerManifest?: boolean;
  signal?: AbortSignal;
}

export interface ImportRequest {
  /** In front of names that are a bare tag: "docker.io/library/box" makes "docker.io/library/box:v1" of "v1". */
  baseName?: string;
  /** Name the whole index of the archive as well. */
  indexName?: string;
  /** Name nameless images `baseName@digest` ("import@digest" without one) instead of leaving them out. */
  digests?: boolean;
  /** Unpack the manifest for this platform (the host's) into snapshots; true by default. */
  unpack?: boolean;
  platform?: Platform;
  snapshotter?: string;
  signal?: AbortSignal;
}

/** Moves images between the store, registries and archives. */
export interface Transfer {
  /** Fetch → verify → decompress → unpack, layers in parallel, leased until the image record holds them. */
  pull(ns: string, request: PullRequest, onProgress?: (progress: TransferProgress) => void): Promise<Image>;
  /**
   * Uploads what the registry lacks, blobs first, then manifests, the named one last. Progress: "waiting" for each blob, then
   * "exists", "mounted" or "uploading" … "complete". Returns what the name points to in the registry now.
   */
  push(
    ns: string,
    request: PushRequest,
    onProgress?: (progress: TransferProgress) => void,
  ): Promise<Descriptor>;
  /** An OCI layout as a tar archive, which is a docker-archive too. The first chunk comes when all documents were found. */
  export(ns: string, request: ExportRequest): AsyncIterable<Uint8Array>;
  /** Takes in an OCI layout or a docker-archive (plain or compressed tar). "saved" is told of each record made. */
  import(
    ns: string,
    archive: AsyncIterable<Uint8Array>,
    request?: ImportRequest,
    onProgress?: (progress: TransferProgress) => void,
  ): Promise<Image[]>;
}

/** All services of one containerd, as the engine and ctr hold them. */
export interface Services {
  namespaces: Namespaces;
  content: ContentStore;
  images: Images;
  containers: Containers;
  snapshots: Snapshots;
  diff: Diff;
  leases: Leases;
  events: Events;
  tasks: Tasks;
  version: Version;
  introspection: Introspection;
  transfer: Transfer;
}
