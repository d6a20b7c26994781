// Messages that several services share. src/wire/proto/types.
import { message } from "../codec.ts";
import { Any, Timestamp } from "./well-known.ts";

export const Mount = message("containerd.types.Mount", {
  type: [1, "string"],
  source: [2, "string"],
  target: [3, "string"],
  options: [4, ["string"]],
});

export const Envelope = message("containerd.types.Envelope", {
  timestamp: [1, Timestamp],
  namespace: [2, "string"],
  topic: [3, "string"],
  event: [4, Any],
});
export const ForwardRequest = message("containerd.services.events.ttrpc.v1.ForwardRequest", {
  envelope: [1, Envelope],
});

export const ProcessInfo = message("containerd.v1.types.ProcessInfo", { pid: [1, "uint32"], info: [2, Any] });

/** containerd.v1.types.Status by number. */
export const STATUS = {
  UNKNOWN: 0,
  CREATED: 1,
  RUNNING: 2,
  STOPPED: 3,
  PAUSED: 4,
  PAUSING: 5,
} as const;

export const RuntimeVersion = message("containerd.types.RuntimeVersion", {
  version: [1, "string"],
  revision: [2, "string"],
});
export const RuntimeRequest = message("containerd.types.RuntimeRequest", {
  runtimePath: [1, "string"],
  options: [2, Any],
});
export const RuntimeInfo = message("containerd.types.RuntimeInfo", {
  name: [1, "string"],
  version: [2, RuntimeVersion],
  options: [3, Any],
  features: [4, Any],
  annotations: [5, "map"],
});

/** containerd.runc.v1.Options: what a container record's runtime options hold. */
export const RuncOptions = message("containerd.runc.v1.Options", {
  noPivotRoot: [1, "bool"],
  noNewKeyring: [2, "bool"],
  shimCgroup: [3, "string"],
  ioUid: [4, "uint32"],
  ioGid: [5, "uint32"],
  binaryName: [6, "string"],
  root: [7, "string"],
  systemdCgroup: [9, "bool"],
  criuImagePath: [10, "string"],
  criuWorkPath: [11, "string"],
  taskApiAddress: [12, "string"],
  taskApiVersion: [13, "uint32"],
});
export const ProcessDetails = message("containerd.runc.v1.ProcessDetails", { execId: [1, "string"] });
