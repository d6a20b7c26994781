// The content service on gRPC. `Write` is one ingest a stream: it begins with its first message and is left resumable when
// the stream breaks.
import type { Server } from "@grpc/grpc-js";
import { Content, WriteAction, type WriteContentRequest } from "../../gen/services/content_pb.ts";
import { bytes, contentInit, contentOf, ingestInit, pathsOf, timeOf } from "../convert.ts";
import { type ContentStore, type ContentWriter, ServiceError } from "../services.ts";
import { serveOn } from "./service.ts";

/** Blobs a List answer; containerd sends batches of a hundred. */
const BATCH = 100;

function progress(writer: ContentWriter, action: WriteAction, digest = writer.digest()) {
  const { startedAt, updatedAt, offset, total } = writer.status();
  return {
    action,
    startedAt: timeOf(startedAt),
    updatedAt: timeOf(updatedAt),
    offset: BigInt(offset),
    total: BigInt(total),
    digest,
  };
}

/** Brings the ingest to the message's offset and appends its data. Offset 0 starts anew, as containerd has it. */
async function append(writer: ContentWriter, request: WriteContentRequest): Promise<void> {
  const at = Number(request.offset);
  const { offset, ref } = writer.status();
  if (at > offset) {
    throw new ServiceError(
      "OutOfRange",
      `write @${at} must occur at current offset ${offset} of ${ref}: out of range`,
    );
  }
  if (at < offset) await writer.truncate(at);
  if (request.data.length > 0) await writer.write(request.data);
}

async function* write(content: ContentStore, ns: string, requests: AsyncIterable<WriteContentRequest>) {
  let writer: ContentWriter | undefined;
  let total = 0;
  let expected = "";
  try {
    for await (const request of requests) {
      if (!writer) {
        if (request.ref === "") {
          throw new ServiceError("InvalidArgument", "first message must have a reference: invalid argument");
        }
        total = Number(request.total);
        expected = request.expected;
        writer = await content.writer(ns, request.ref, { total, expected });
      }
      if (request.total > 0n) total = Number(request.total);
      if (request.expected !== "") {
        if (expected !== "" && expected !== request.expected) {
          throw new ServiceError(
            "InvalidArgument",
            `expected digest changed: ${expected} != ${request.expected}`,
          );
        }
        expected = request.expected;
      }
      switch (request.action) {
        case WriteAction.STAT:
          yield progress(writer, WriteAction.STAT);
          break;
        case WriteAction.WRITE:
        case WriteAction.COMMIT: {
          await append(writer, request);
          if (request.action === WriteAction.WRITE) {
            yield progress(writer, WriteAction.WRITE);
            break;
          }
          const { digest } = await writer.commit(
            total,
            expected === "" ? undefined : expected,
            request.labels,
          );
          yield progress(writer, WriteAction.COMMIT, digest);
          return;
        }
      }
    }
  } finally {
    await writer?.close();
  }
}

export function serveContent(server: Server, content: ContentStore): void {
  serveOn(server, Content, {
    async info({ digest }, call) {
      return { info: contentInit(await content.info(call.namespace, digest)) };
    },
    async update({ info, updateMask }, call) {
      return {
        info: contentInit(await content.update(call.namespace, contentOf(info), pathsOf(updateMask))),
      };
    },
    async *list({ filters }, call) {
      const all = await content.list(call.namespace, filters);
      for (let at = 0; at < all.length; at += BATCH) {
        yield { info: all.slice(at, at + BATCH).map(contentInit) };
      }
    },
    async delete({ digest }, call) {
      await content.delete(call.namespace, digest);
      return {};
    },
    async *read({ digest, offset, size }, call) {
      let at = Number(offset);
      for await (const data of content.read(call.namespace, digest, { offset: at, size: Number(size) })) {
        yield { offset: BigInt(at), data: bytes(data) };
        at += data.length;
      }
    },
    write(requests, call) {
      return write(content, call.namespace, requests);
    },
    async status({ ref }, call) {
      return { status: ingestInit(await content.status(call.namespace, ref)) };
    },
    async listStatuses({ filters }, call) {
      return { statuses: (await content.statuses(call.namespace, filters)).map(ingestInit) };
    },
    async abort({ ref }, call) {
      await content.abort(call.namespace, ref);
      return {};
    },
  });
}
