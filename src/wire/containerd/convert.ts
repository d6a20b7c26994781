// Between the services' plain types and containerd's protobuf messages. The one place that both sides of the wire share.
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import {
  type Any,
  type AnySchema,
  type FieldMask,
  type Timestamp,
  timestampDate,
  timestampFromDate,
} from "@bufbuild/protobuf/wkt";
import type * as pbContainers from "../gen/services/containers_pb.ts";
import type * as pbContent from "../gen/services/content_pb.ts";
import type * as pbImages from "../gen/services/images_pb.ts";
import type * as pbLeases from "../gen/services/leases_pb.ts";
import {
  Kind,
  type Info as PbSnapshot,
  type InfoSchema as PbSnapshotSchema,
} from "../gen/services/snapshots_pb.ts";
import type * as pbArtifact from "../gen/types/artifact_pb.ts";
import type * as pbEnvelope from "../gen/types/envelope_pb.ts";
import type * as pbMount from "../gen/types/mount_pb.ts";
import {
  type Process as PbProcess,
  Status as PbTaskStatus,
  type ProcessSchema,
} from "../gen/types/task_pb.ts";
import type {
  AnyValue,
  ContainerRecord,
  ContentInfo,
  Descriptor,
  Envelope,
  Image,
  IngestStatus,
  Labels,
  Lease,
  Mount,
  Platform,
  SnapshotInfo,
  SnapshotKind,
  TaskProcess,
  TaskStatus,
} from "./services.ts";

type Init<S extends DescMessage> = MessageInitShape<S>;

/** Go's zero time.Time, which is what an absent timestamp reads as there. */
const EPOCH = new Date(0);

export const dateOf = (time: Timestamp | undefined): Date => (time ? timestampDate(time) : EPOCH);
export const timeOf = (date: Date): Timestamp => timestampFromDate(date);
export const labelsInit = (labels: Labels | undefined): Record<string, string> => ({ ...labels });

/** bufbuild's types want a Uint8Array over a plain ArrayBuffer, which all of ours are. */
export const bytes = (value: Uint8Array): Uint8Array<ArrayBuffer> => value as Uint8Array<ArrayBuffer>;

export const anyOf = (value: Any | undefined): AnyValue => ({
  typeUrl: value?.typeUrl ?? "",
  value: value?.value ?? new Uint8Array(),
});
export const maybeAnyOf = (value: Any | undefined): AnyValue | undefined => value && anyOf(value);
export const anyInit = (value: AnyValue): Init<typeof AnySchema> => ({
  typeUrl: value.typeUrl,
  value: bytes(value.value),
});
export const maybeAnyInit = (value: AnyValue | undefined): Init<typeof AnySchema> | undefined =>
  value && anyInit(value);

/** Paths of an update mask; undefined without one. */
export const pathsOf = (mask: FieldMask | undefined): string[] | undefined =>
  mask && mask.paths.length > 0 ? mask.paths : undefined;
export const maskInit = (paths: string[] | undefined): { paths: string[] } | undefined => paths && { paths };

export function descriptorOf(one: pbArtifact.Descriptor | undefined): Descriptor {
  const annotations = one?.annotations ?? {};
  return {
    mediaType: one?.mediaType ?? "",
    digest: one?.digest ?? "",
    size: Number(one?.size ?? 0n),
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
}
export const descriptorInit = (one: Descriptor): Init<typeof pbArtifact.DescriptorSchema> => ({
  mediaType: one.mediaType,
  digest: one.digest,
  size: BigInt(one.size),
  annotations: labelsInit(one.annotations),
});

export const platformOf = (one: pbArtifact.Platform): Platform => ({
  os: one.os,
  architecture: one.architecture,
  ...(one.variant === "" ? {} : { variant: one.variant }),
});
export const platformInit = (one: Platform): Init<typeof pbArtifact.PlatformSchema> => ({
  os: one.os,
  architecture: one.architecture,
  variant: one.variant ?? "",
});

export const mountOf = (one: pbMount.Mount): Mount => ({
  type: one.type,
  source: one.source,
  options: one.options,
  ...(one.target === "" ? {} : { target: one.target }),
});
export const mountInit = (one: Mount): Init<typeof pbMount.MountSchema> => ({
  type: one.type,
  source: one.source,
  target: one.target ?? "",
  options: one.options,
});

export const imageOf = (one: pbImages.Image | undefined): Image => ({
  name: one?.name ?? "",
  labels: one?.labels ?? {},
  target: descriptorOf(one?.target),
  createdAt: dateOf(one?.createdAt),
  updatedAt: dateOf(one?.updatedAt),
});
export const imageInit = (
  one: Pick<Image, "name" | "labels" | "target"> & Partial<Image>,
): Init<typeof pbImages.ImageSchema> => ({
  name: one.name,
  labels: labelsInit(one.labels),
  target: descriptorInit(one.target),
  ...(one.createdAt ? { createdAt: timeOf(one.createdAt) } : {}),
  ...(one.updatedAt ? { updatedAt: timeOf(one.updatedAt) } : {}),
});

export function containerOf(one: pbContainers.Container | undefined): ContainerRecord {
  const options = maybeAnyOf(one?.runtime?.options);
  return {
    id: one?.id ?? "",
    labels: one?.labels ?? {},
    image: one?.image ?? "",
    runtime: { name: one?.runtime?.name ?? "", ...(options ? { options } : {}) },
    spec: anyOf(one?.spec),
    snapshotter: one?.snapshotter ?? "",
    snapshotKey: one?.snapshotKey ?? "",
    createdAt: dateOf(one?.createdAt),
    updatedAt: dateOf(one?.updatedAt),
    extensions: Object.fromEntries(
      Object.entries(one?.extensions ?? {}).map(([name, value]) => [name, anyOf(value)]),
    ),
  };
}
export const containerInit = (
  one: Partial<ContainerRecord> & { id: string },
): Init<typeof pbContainers.ContainerSchema> => ({
  id: one.id,
  labels: labelsInit(one.labels),
  image: one.image ?? "",
  ...(one.runtime ? { runtime: { name: one.runtime.name, options: maybeAnyInit(one.runtime.options) } } : {}),
  ...(one.spec ? { spec: anyInit(one.spec) } : {}),
  snapshotter: one.snapshotter ?? "",
  snapshotKey: one.snapshotKey ?? "",
  ...(one.createdAt ? { createdAt: timeOf(one.createdAt) } : {}),
  ...(one.updatedAt ? { updatedAt: timeOf(one.updatedAt) } : {}),
  extensions: Object.fromEntries(
    Object.entries(one.extensions ?? {}).map(([name, value]) => [name, anyInit(value)]),
  ),
});

export const contentOf = (one: pbContent.Info | undefined): ContentInfo => ({
  digest: one?.digest ?? "",
  size: Number(one?.size ?? 0n),
  createdAt: dateOf(one?.createdAt),
  updatedAt: dateOf(one?.updatedAt),
  labels: one?.labels ?? {},
});
export const contentInit = (one: ContentInfo): Init<typeof pbContent.InfoSchema> => ({
  digest: one.digest,
  size: BigInt(one.size),
  createdAt: timeOf(one.createdAt),
  updatedAt: timeOf(one.updatedAt),
  labels: labelsInit(one.labels),
});

export const ingestOf = (one: pbContent.Status | undefined): IngestStatus => ({
  ref: one?.ref ?? "",
  offset: Number(one?.offset ?? 0n),
  total: Number(one?.total ?? 0n),
  expected: one?.expected ?? "",
  startedAt: dateOf(one?.startedAt),
  updatedAt: dateOf(one?.updatedAt),
});
export const ingestInit = (one: IngestStatus): Init<typeof pbContent.StatusSchema> => ({
  ref: one.ref,
  offset: BigInt(one.offset),
  total: BigInt(one.total),
  expected: one.expected,
  startedAt: timeOf(one.startedAt),
  updatedAt: timeOf(one.updatedAt),
});

const KINDS: Readonly<Record<SnapshotKind, Kind>> = {
  View: Kind.VIEW,
  Active: Kind.ACTIVE,
  Committed: Kind.COMMITTED,
};
export const snapshotOf = (one: PbSnapshot | undefined): SnapshotInfo => ({
  name: one?.name ?? "",
  parent: one?.parent ?? "",
  kind: one?.kind === Kind.VIEW ? "View" : one?.kind === Kind.ACTIVE ? "Active" : "Committed",
  createdAt: dateOf(one?.createdAt),
  updatedAt: dateOf(one?.updatedAt),
  labels: one?.labels ?? {},
});
export const snapshotInit = (one: SnapshotInfo): Init<typeof PbSnapshotSchema> => ({
  name: one.name,
  parent: one.parent,
  kind: KINDS[one.kind],
  createdAt: timeOf(one.createdAt),
  updatedAt: timeOf(one.updatedAt),
  labels: labelsInit(one.labels),
});

export const leaseOf = (one: pbLeases.Lease | undefined): Lease => ({
  id: one?.id ?? "",
  createdAt: dateOf(one?.createdAt),
  labels: one?.labels ?? {},
});
export const leaseInit = (one: Lease): Init<typeof pbLeases.LeaseSchema> => ({
  id: one.id,
  createdAt: timeOf(one.createdAt),
  labels: labelsInit(one.labels),
});

export const envelopeOf = (one: pbEnvelope.Envelope | undefined): Envelope => ({
  timestamp: dateOf(one?.timestamp),
  namespace: one?.namespace ?? "",
  topic: one?.topic ?? "",
  event: anyOf(one?.event),
});
export const envelopeInit = (one: Envelope): Init<typeof pbEnvelope.EnvelopeSchema> => ({
  timestamp: timeOf(one.timestamp),
  namespace: one.namespace,
  topic: one.topic,
  event: anyInit(one.event),
});

/**
 * containerd's `Process.id` is the exec's id or, for the init process, the container's; its `container_id` may be empty. What
 * was asked for settles it.
 */
export function processOf(
  one: PbProcess | undefined,
  asked?: { containerId: string; execId: string },
): TaskProcess {
  return {
    containerId: asked?.containerId ?? (one?.containerId || one?.id || ""),
    id: asked?.execId ?? "",
    pid: one?.pid ?? 0,
    status: (PbTaskStatus[one?.status ?? 0] ?? "UNKNOWN") as TaskStatus,
    stdin: one?.stdin ?? "",
    stdout: one?.stdout ?? "",
    stderr: one?.stderr ?? "",
    terminal: one?.terminal ?? false,
    exitStatus: one?.exitStatus ?? 0,
    ...(one?.exitedAt ? { exitedAt: dateOf(one.exitedAt) } : {}),
  };
}
export const processInit = (one: TaskProcess): Init<typeof ProcessSchema> => ({
  containerId: one.containerId,
  id: one.id || one.containerId,
  pid: one.pid,
  status: PbTaskStatus[one.status],
  stdin: one.stdin,
  stdout: one.stdout,
  stderr: one.stderr,
  terminal: one.terminal,
  exitStatus: one.exitStatus,
  ...(one.exitedAt ? { exitedAt: timeOf(one.exitedAt) } : {}),
});
