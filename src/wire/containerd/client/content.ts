// The content store of a containerd behind a socket.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@grpc/grpc-js";
import {
  Content,
  WriteAction,
  type WriteContentRequestSchema,
  type WriteContentResponse,
} from "../../gen/services/content_pb.ts";
import { bytes, contentOf, dateOf, ingestOf, labelsInit, maskInit } from "../convert.ts";
import {
  type ContentStore,
  type ContentWriter,
  type IngestStatus,
  type Labels,
  ServiceError,
} from "../services.ts";
import { type Caller, caller, type Duplex } from "./caller.ts";

/**
 * Data of one message. Well below HTTP/2's first window of 64 KiB: a bigger message to a Go server hangs in Bun 1.4.5's
 * http2, when the window is updated in the middle of it.
 */
const PIECE = 32 << 10;

type Request = MessageInitShape<typeof WriteContentRequestSchema>;

class RemoteWriter implements ContentWriter {
  #status: IngestStatus;
  #offset: number;
  #digest: string;
  #done = false;

  private constructor(
    private readonly ref: string,
    private readonly stream: Duplex<Request, WriteContentResponse>,
    first: WriteContentResponse,
    private readonly expected: string,
  ) {
    this.#offset = Number(first.offset);
    this.#digest = first.digest;
    this.#status = this.#read(first);
  }

  static async open(
    calls: Caller<typeof Content>,
    ns: string,
    ref: string,
    total: number,
    expected: string,
  ): Promise<RemoteWriter> {
    const stream = calls.write(ns);
    try {
      await stream.send({ action: WriteAction.STAT, ref, total: BigInt(total), expected });
      const first = await stream.receive();
      if (!first) throw new ServiceError("Unavailable", `ingest ${ref}: the server ended the call`);
      return new RemoteWriter(ref, stream, first, expected);
    } catch (error) {
      await stream.end();
      throw error;
    }
  }

  #read(answer: WriteContentResponse): IngestStatus {
    return {
      ref: this.ref,
      offset: Number(answer.offset),
      total: Number(answer.total),
      expected: this.expected,
      startedAt: dateOf(answer.startedAt),
      updatedAt: dateOf(answer.updatedAt),
    };
  }

  async #ask(request: Request): Promise<WriteContentResponse> {
    if (this.#done) throw new ServiceError("InvalidArgument", `ingest ${this.ref}: writer is closed`);
    try {
      await this.stream.send({ ref: this.ref, ...request });
      const answer = await this.stream.receive();
      if (!answer) throw new ServiceError("Unavailable", `ingest ${this.ref}: the server ended the call`);
      this.#status = this.#read(answer);
      this.#offset = this.#status.offset;
      this.#digest = answer.digest;
      return answer;
    } catch (error) {
      // The server has left the ingest to be resumed, or thrown it away; this stream is over either way.
      this.#done = true;
      throw error;
    }
  }

  status(): IngestStatus {
    return { ...this.#status, offset: this.#offset };
  }

  digest(): string {
    return this.#digest;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += PIECE) {
      const data = bytes(chunk.subarray(at, at + PIECE));
      await this.#ask({ action: WriteAction.WRITE, offset: BigInt(this.#offset), data });
    }
  }

  async truncate(offset: number): Promise<void> {
    if (offset < 0 || offset > this.#offset) {
      throw new ServiceError(
        "InvalidArgument",
        `cannot truncate ingest ${this.ref} of ${this.#offset} bytes to ${offset}: invalid argument`,
      );
    }
    await this.#ask({ action: WriteAction.WRITE, offset: BigInt(offset) });
  }

  async commit(size: number, expected: string | undefined, labels?: Labels): Promise<{ digest: string }> {
    const { digest } = await this.#ask({
      action: WriteAction.COMMIT,
      total: BigInt(size),
      offset: BigInt(this.#offset),
      expected: expected ?? "",
      labels: labelsInit(labels),
    });
    await this.close();
    return { digest };
  }

  async close(): Promise<void> {
    this.#done = true;
    await this.stream.end();
  }
}

export function remoteContent(client: Client): ContentStore {
  const calls = caller(client, Content);
  return {
    info: async (ns, digest) => contentOf((await calls.info(ns, { digest })).info),
    async update(ns, { digest, labels }, fieldpaths) {
      const request = { info: { digest, labels: labelsInit(labels) }, updateMask: maskInit(fieldpaths) };
      return contentOf((await calls.update(ns, request)).info);
    },
    async list(ns, filters) {
      const all = [];
      for await (const { info } of calls.list(ns, { filters: filters ?? [] }))
        all.push(...info.map(contentOf));
      return all;
    },
    async delete(ns, digest) {
      await calls.delete(ns, { digest });
    },
    async *read(ns, digest, { offset = 0, size = 0 } = {}) {
      const request = { digest, offset: BigInt(offset), size: BigInt(size) };
      for await (const { data } of calls.read(ns, request)) yield data;
    },
    statuses: async (ns, filters) =>
      (await calls.listStatuses(ns, { filters: filters ?? [] })).statuses.map(ingestOf),
    status: async (ns, ref) => ingestOf((await calls.status(ns, { ref })).status),
    async abort(ns, ref) {
      await calls.abort(ns, { ref });
    },
    writer: (ns, ref, { total = 0, expected = "" } = {}) =>
      RemoteWriter.open(calls, ns, ref, total, expected),
  };
}
