// The transfer service's messages: what a pull is made of, and how its progress travels.
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { Progress, ProgressSchema } from "../gen/types/transfer_pb.ts";
import { bytes, descriptorInit, descriptorOf } from "./convert.ts";
import { type AnyValue, ServiceError, type TransferProgress } from "./services.ts";

/** A message in an Any, under containerd's bare type URL. */
export function packed<S extends DescMessage>(schema: S, message: MessageInitShape<S>) {
  return { typeUrl: schema.typeName, value: bytes(toBinary(schema, create(schema, message))) };
}

/** The message in an Any; undefined when it holds another type. A prefix ("type.googleapis.com/…") does not count. */
export function unpacked<S extends DescMessage>(
  schema: S,
  any: Any | AnyValue | undefined,
): MessageShape<S> | undefined {
  if (any?.typeUrl.split("/").at(-1) !== schema.typeName) return undefined;
  try {
    return fromBinary(schema, any.value);
  } catch (error) {
    throw new ServiceError("InvalidArgument", `${schema.typeName}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Where containerd's words for a step differ from the interface's. */
const WORDS: Partial<Record<TransferProgress["event"], string>> = { exists: "already exists" };
const EVENTS: ReadonlySet<string> = new Set<TransferProgress["event"]>([
  "resolved",
  "waiting",
  "downloading",
  "verifying",
  "downloaded",
  "extracting",
  "complete",
  "exists",
  "uploading",
  "mounted",
  "saved",
  "done",
]);

export function progressInit(one: TransferProgress): MessageInitShape<typeof ProgressSchema> {
  const digest = one.digest ?? one.id ?? "";
  const about = digest !== "" || one.mediaType !== undefined;
  const desc = { mediaType: one.mediaType ?? "", digest, size: one.total ?? 0 };
  return {
    event: WORDS[one.event] ?? one.event,
    name: one.id ?? "",
    progress: BigInt(one.progress ?? 0),
    total: BigInt(one.total ?? 0),
    ...(one.from === undefined ? {} : { parents: [one.from] }),
    ...(about ? { desc: descriptorInit(desc) } : {}),
  };
}

/** Undefined for a message about something that the interface has no event for. */
export function progressOf(one: Progress): TransferProgress | undefined {
  const event = one.event === WORDS.exists ? "exists" : one.event;
  if (!EVENTS.has(event)) return undefined;
  const { digest, mediaType } = descriptorOf(one.desc);
  return {
    event: event as TransferProgress["event"],
    ...(one.name === "" ? {} : { id: one.desc && event !== "saved" ? digest : one.name }),
    ...(digest === "" ? {} : { digest }),
    ...(mediaType === "" ? {} : { mediaType }),
    ...(event === "mounted" && one.parents[0] ? { from: one.parents[0] } : {}),
    ...(one.progress > 0n || one.total > 0n
      ? { progress: Number(one.progress), total: Number(one.total) }
      : {}),
  };
}
