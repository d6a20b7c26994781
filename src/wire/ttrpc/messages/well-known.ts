// google.protobuf's own messages, and times to and from them.
import { type Init, type Message, message } from "../codec.ts";

export const Any = message("google.protobuf.Any", { typeUrl: [1, "string"], value: [2, "bytes"] });
export const Empty = message("google.protobuf.Empty", {});
export const Timestamp = message("google.protobuf.Timestamp", { seconds: [1, "int64"], nanos: [2, "int32"] });

/** Milliseconds of the epoch (fractions allowed) as a Timestamp. */
export function timestamp(ms: number): Init<typeof Timestamp> {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** A Timestamp as a Date; undefined when absent or Go's zero time. */
export function dateOf(value: Message<typeof Timestamp> | undefined): Date | undefined {
  if (!value) return undefined;
  const ms = Number(value.seconds) * 1000 + value.nanos / 1e6;
  // Go's zero time.Time (year 1) is how an unset time travels.
  return Number(value.seconds) <= -62135596800 ? undefined : new Date(ms);
}
