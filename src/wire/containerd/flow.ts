// Bytes over a stream of the streaming service: Data one way, WindowUpdate the other way as credit.
// containerd: core/transfer/streaming/stream.go
import type { Any } from "@bufbuild/protobuf/wkt";
import { DataSchema, WindowUpdateSchema } from "../gen/types/transfer_pb.ts";
import type { AnyValue } from "./services.ts";
import { packed, unpacked } from "./transfer.ts";

/** Either end of a stream. */
export interface Channel {
  send(message: AnyValue): void | Promise<void>;
  receive(): Promise<Any | undefined>;
}

/** How many bytes the sender may be ahead of us. */
const WINDOW = 4 << 20;
/** Largest piece that is sent at once: well below what a gRPC message may have. */
const PIECE = 512 << 10;

/** Sends all of `source`, as far as the receiver gives credit. Returns early when the receiver goes away. */
export async function sendBytes(channel: Channel, source: AsyncIterable<Uint8Array>): Promise<void> {
  let credit = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      while (credit <= 0) {
        const message = await channel.receive();
        if (!message) return;
        credit += unpacked(WindowUpdateSchema, message)?.update ?? 0;
      }
      const part = chunk.subarray(at, at + Math.min(credit, PIECE));
      await channel.send(packed(DataSchema, { data: part.slice() }));
      credit -= part.length;
      at += part.length;
    }
  }
}

/** The bytes that the other side sends, until it ends the stream. */
export async function* receiveBytes(channel: Channel): AsyncGenerator<Uint8Array> {
  let window = 0;
  for (;;) {
    if (window <= WINDOW / 2) {
      await channel.send(packed(WindowUpdateSchema, { update: WINDOW - window }));
      window = WINDOW;
    }
    const message = await channel.receive();
    if (!message) return;
    const data = unpacked(DataSchema, message)?.data;
    if (!data) continue;
    window -= data.length;
    yield data;
  }
}
