// What is said to criu(8) and what it answers: the messages of its RPC, in protobuf. https://criu.org/RPC
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

export const REQUEST = { dump: 1, restore: 2, preDump: 4, notify: 6, featureCheck: 9 } as const;
export type RequestType = (typeof REQUEST)[keyof typeof REQUEST];

/** Name of a request's type, as criu spells it. */
export const requestName = (type: number) =>
  ({ 1: "DUMP", 2: "RESTORE", 4: "PRE_DUMP", 6: "NOTIFY", 9: "FEATURE_CHECK" })[type] ?? String(type);

/** How criu treats the properties of cgroups. */
export const CGROUPS_MODE: Readonly<Record<string, number>> = { ignore: 0, soft: 3, full: 4, strict: 5 };

/** criu_opts. Descriptors of directories are this process's own numbers; those of `inheritFd` are criu's. */
export interface CriuOptions {
  imagesDirFd: number;
  pid?: number;
  leaveRunning?: boolean;
  extUnixSk?: boolean;
  tcpEstablished?: boolean;
  evasiveDevices?: boolean;
  shellJob?: boolean;
  fileLocks?: boolean;
  logLevel?: number;
  logFile?: string;
  pageServer?: { address: string; port: number };
  notifyScripts?: boolean;
  root?: string;
  parentImg?: string;
  trackMem?: boolean;
  autoDedup?: boolean;
  workDirFd?: number;
  linkRemap?: boolean;
  /** What criu shall not save or make: mountpoint or name → name or source. */
  extMnt?: readonly (readonly [string, string])[];
  manageCgroups?: boolean;
  /** Controller → path that the container's cgroups are below. */
  cgRoot?: readonly (readonly [string, string])[];
  rstSibling?: boolean;
  inheritFd?: readonly { key: string; fd: number }[];
  manageCgroupsMode?: number;
  external?: readonly string[];
  /** CLONE_NEW* of namespaces that are made, but not filled. */
  emptyNs?: number;
  /** Namespaces to join: kind → path. */
  joinNs?: readonly (readonly [string, string])[];
  freezeCgroup?: string;
  lazyPages?: boolean;
  orphanPtsMaster?: boolean;
  configFile?: string;
  lsmProfile?: string;
  lsmMountContext?: string;
}

/** Field numbers of criu_opts whose values are plain. */
const PLAIN: readonly (readonly [keyof CriuOptions, number])[] = [
  ["imagesDirFd", 1],
  ["pid", 2],
  ["leaveRunning", 3],
  ["extUnixSk", 4],
  ["tcpEstablished", 5],
  ["evasiveDevices", 6],
  ["shellJob", 7],
  ["fileLocks", 8],
  ["logLevel", 9],
  ["logFile", 10],
  ["notifyScripts", 12],
  ["root", 13],
  ["parentImg", 14],
  ["trackMem", 15],
  ["autoDedup", 16],
  ["workDirFd", 17],
  ["linkRemap", 18],
  ["manageCgroups", 24],
  ["rstSibling", 26],
  ["manageCgroupsMode", 34],
  ["emptyNs", 38],
  ["freezeCgroup", 44],
  ["lazyPages", 48],
  ["orphanPtsMaster", 50],
  ["configFile", 51],
  ["lsmProfile", 53],
  ["lsmMountContext", 63],
];

type Plain = string | number | boolean | undefined;

function plain(writer: BinaryWriter, number: number, value: Plain): void {
  if (value === undefined) return;
  if (typeof value === "string") writer.tag(number, WireType.LengthDelimited).string(value);
  else writer.tag(number, WireType.Varint).int32(Number(value));
}

/** A message in a message: its fields 1, 2 … in order. */
function nested(writer: BinaryWriter, number: number, ...values: Plain[]): void {
  writer.tag(number, WireType.LengthDelimited).fork();
  for (const [i, value] of values.entries()) plain(writer, i + 1, value);
  writer.join();
}

function writeOptions(writer: BinaryWriter, options: CriuOptions): void {
  for (const [name, number] of PLAIN) plain(writer, number, options[name] as Plain);
  const { pageServer } = options;
  if (pageServer) nested(writer, 11, pageServer.address, pageServer.port);
  for (const pair of options.extMnt ?? []) nested(writer, 23, ...pair);
  for (const pair of options.cgRoot ?? []) nested(writer, 25, ...pair);
  for (const { key, fd } of options.inheritFd ?? []) nested(writer, 27, key, fd);
  for (const word of options.external ?? []) plain(writer, 37, word);
  for (const pair of options.joinNs ?? []) nested(writer, 39, ...pair);
}

export interface Request {
  type: RequestType;
  options?: CriuOptions;
  /** The answer to a notification. */
  notifySuccess?: boolean;
  /** For a feature check: what is asked about. */
  features?: Features;
}

export interface Features {
  memTrack?: boolean;
  lazyPages?: boolean;
}

export function encodeRequest({ type, options, notifySuccess, features }: Request): Uint8Array {
  const writer = new BinaryWriter();
  plain(writer, 1, type);
  if (options) {
    writer.tag(2, WireType.LengthDelimited).fork();
    writeOptions(writer, options);
    writer.join();
  }
  plain(writer, 3, notifySuccess);
  if (features) nested(writer, 5, features.memTrack, features.lazyPages);
  return writer.finish();
}

export interface Response {
  type: number;
  success: boolean;
  /** The restored first process. */
  restoredPid?: number;
  notify?: { script: string; pid: number };
  features?: Features;
  errno?: number;
}

/** The fields of a message by their number; of repeated ones the last. */
function fieldsOf(bytes: Uint8Array): Map<number, Uint8Array | number> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Uint8Array | number>();
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (wire === WireType.Varint) fields.set(number, reader.int32());
    else if (wire === WireType.LengthDelimited) fields.set(number, reader.bytes());
    else reader.skip(wire, number);
  }
  return fields;
}

export function decodeResponse(bytes: Uint8Array): Response {
  const fields = fieldsOf(bytes);
  const inner = (number: number) => {
    const value = fields.get(number);
    return value instanceof Uint8Array ? fieldsOf(value) : undefined;
  };
  const text = (value: Uint8Array | number | undefined) =>
    value instanceof Uint8Array ? new TextDecoder().decode(value) : "";
  const restore = inner(4);
  const notify = inner(5);
  const features = inner(8);
  const errno = fields.get(7);
  return {
    type: Number(fields.get(1) ?? 0),
    success: fields.get(2) === 1,
    ...(restore ? { restoredPid: Number(restore.get(1) ?? 0) } : {}),
    ...(notify ? { notify: { script: text(notify.get(1)), pid: Number(notify.get(2) ?? 0) } } : {}),
    ...(features ? { features: { memTrack: features.get(1) === 1, lazyPages: features.get(2) === 1 } } : {}),
    ...(typeof errno === "number" ? { errno } : {}),
  };
}
