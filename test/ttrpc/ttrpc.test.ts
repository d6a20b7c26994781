import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceError } from "../../src/wire/containerd/services.ts";
import { TtrpcClient } from "../../src/wire/ttrpc/client.ts";
import { decode, encode } from "../../src/wire/ttrpc/codec.ts";
import { FrameReader, frame, MAX_MESSAGE, TYPE_DATA, TYPE_REQUEST } from "../../src/wire/ttrpc/frame.ts";
import { Request, Response } from "../../src/wire/ttrpc/messages/rpc.ts";
import { TaskV2 } from "../../src/wire/ttrpc/messages/task.ts";
import { TtrpcServer } from "../../src/wire/ttrpc/server.ts";
import type { Handlers } from "../../src/wire/ttrpc/service.ts";

const directory = mkdtempSync(join(tmpdir(), "ttrpc-"));
const address = `unix://${join(directory, "s")}`;
const errors: Error[] = [];
let aborted = 0;
let seen: ReadonlyMap<string, readonly string[]> = new Map();
const server = new TtrpcServer((error) => errors.push(error));

beforeAll(() => {
  const handlers = {
    connect: ({ id }, { metadata }) => {
      seen = metadata;
      return { version: id, shimPid: 7 };
    },
    state: () => {
      throw new ServiceError("NotFound", "no such process");
    },
    wait: (_request, { signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          aborted++;
          resolve({ exitStatus: 1 });
        });
      }),
    stats: () => {
      throw new TypeError("a bug");
    },
    update: () => ({}),
    pids: () => ({
      processes: Array.from({ length: 300_000 }, () => ({ pid: 0x7fffffff, info: { typeUrl: "0123456" } })),
    }),
  } as Partial<Handlers<typeof TaskV2>> as Handlers<typeof TaskV2>;
  server.register(TaskV2, handlers).listen({ address });
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

/** Sends raw bytes and resolves to all that comes back until the server ends the connection. */
async function raw(...chunks: Uint8Array[]): Promise<{ responses: { stream: number; message: string }[] }> {
  const ended = Promise.withResolvers<void>();
  const reader = new FrameReader();
  const responses: { stream: number; message: string }[] = [];
  const socket = await Bun.connect({
    unix: join(directory, "s"),
    socket: {
      binaryType: "uint8array",
      data(_socket, bytes) {
        for (const { stream, payload } of reader.push(bytes))
          responses.push({ stream, message: decode(Response, payload).status?.message ?? "" });
      },
      close: () => ended.resolve(),
      error: () => ended.resolve(),
    },
  });
  for (const chunk of chunks)
    for (let at = 0; at < chunk.length; ) {
      const taken = socket.write(chunk.subarray(at));
      if (taken < 0) break;
      at += taken;
      if (at < chunk.length) await Bun.sleep(1);
    }
  socket.shutdown();
  await ended.promise;
  return { responses };
}

const connectCall = (id: string) =>
  encode(Request, {
    service: TaskV2.name,
    method: "Connect",
    payload: encode(TaskV2.methods.connect[1], { id }),
  });

describe("calls", () => {
  test("many at a time on one connection, with metadata", async () => {
    const client = await TtrpcClient.connect(address);
    const task = client.service(TaskV2);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => task.connect({ id: `c${i}` }, { metadata: { "K-ey": "v" } })),
    );
    expect(answers.map((a) => a.version)).toEqual(Array.from({ length: 200 }, (_, i) => `c${i}`));
    expect(seen.get("k-ey")).toEqual(["v"]);
    client.close();
  });

  test("errors keep their code; what is no ServiceError is Unknown", async () => {
    const client = await TtrpcClient.connect(address);
    const task = client.service(TaskV2);
    expect(task.state({})).rejects.toMatchObject({ code: "NotFound", message: "no such process" });
    expect(task.stats({})).rejects.toMatchObject({ code: "Unknown", message: "a bug" });
    await expect(
      client.service({ name: "no.Such", methods: TaskV2.methods }).connect({}),
    ).rejects.toMatchObject({ code: "Unimplemented" });
    client.close();
  });

  test("a deadline ends the call on both sides", async () => {
    const client = await TtrpcClient.connect(address);
    const before = aborted;
    await expect(client.service(TaskV2).wait({}, { timeout: 20 })).rejects.toMatchObject({
      code: "DeadlineExceeded",
    });
    for (const end = Date.now() + 5000; aborted === before && Date.now() < end; ) await Bun.sleep(5);
    expect(aborted).toBe(before + 1);
    expect((await client.service(TaskV2).connect({ id: "still" })).version).toBe("still");
    client.close();
  });

  test("a signal cancels, the end of the connection fails what waits", async () => {
    const client = await TtrpcClient.connect(address);
    const task = client.service(TaskV2);
    const abort = new AbortController();
    const canceled = task.wait({}, { signal: abort.signal });
    const cut = task.wait({});
    abort.abort();
    await expect(canceled).rejects.toMatchObject({ code: "Canceled" });
    client.close();
    await expect(cut).rejects.toMatchObject({ code: "Unavailable" });
    await expect(task.wait({})).rejects.toMatchObject({ code: "Unavailable" });
    await client.closed;
  });

  test("who listens for the end is told once, who has taken it back is not", async () => {
    const client = await TtrpcClient.connect(address);
    const told: string[] = [];
    client.onClosed(() => told.push("first"));
    client.onClosed(() => told.push("taken back"))();
    client.close();
    client.close();
    expect(told).toEqual(["first"]);
    client.onClosed(() => told.push("late"));
    client.onClosed(() => told.push("late, taken back"))();
    await Promise.resolve();
    expect(told).toEqual(["first", "late"]);
  });

  test("messages up to 4 MiB pass, longer ones are refused and the connection lives on", async () => {
    const client = await TtrpcClient.connect(address);
    const task = client.service(TaskV2);
    expect((await task.connect({ id: "x".repeat(MAX_MESSAGE - 200) })).version.length).toBe(
      MAX_MESSAGE - 200,
    );
    await expect(task.connect({ id: "x".repeat(MAX_MESSAGE) })).rejects.toMatchObject({
      code: "ResourceExhausted",
    });
    await expect(task.pids({})).rejects.toMatchObject({ code: "ResourceExhausted" });
    expect((await task.connect({ id: "after" })).version).toBe("after");
    client.close();
  });

  test("nobody listening is Unavailable", () =>
    expect(TtrpcClient.connect(join(directory, "none"))).rejects.toMatchObject({ code: "Unavailable" }));
});

describe("bad frames", () => {
  test("oversize request: refused by its stream, the rest of the connection is served", async () => {
    const head = frame(1, TYPE_REQUEST, new Uint8Array());
    new DataView(head.buffer).setUint32(0, MAX_MESSAGE + 1);
    const { responses } = await raw(
      head,
      new Uint8Array(MAX_MESSAGE + 1),
      frame(3, TYPE_REQUEST, connectCall("ok")),
    );
    expect(responses).toEqual([
      { stream: 1, message: `ttrpc: message of ${MAX_MESSAGE + 1} bytes exceeds ${MAX_MESSAGE}` },
      { stream: 3, message: "" },
    ]);
  });

  for (const [what, bytes, words] of [
    ["an even stream", frame(2, TYPE_REQUEST, connectCall("a")), "not one that a client may begin"],
    ["an unknown type", frame(1, 9, new Uint8Array(3)), "unexpected frame of type 9"],
    ["data without a call", frame(1, TYPE_DATA, new Uint8Array(3)), "unexpected frame of type 3"],
    [
      "a payload that is no request",
      frame(1, TYPE_REQUEST, new Uint8Array([0xff, 0xff])),
      "cannot decode ttrpc.Request",
    ],
  ] as const)
    test(`${what}: told, and only that connection ends`, async () => {
      const other = await TtrpcClient.connect(address);
      const { responses } = await raw(bytes);
      expect(responses.at(-1)?.message).toContain(words);
      expect((await other.service(TaskV2).connect({ id: "here" })).version).toBe("here");
      other.close();
    });

  test("a stream number used twice", async () => {
    const { responses } = await raw(
      frame(3, TYPE_REQUEST, connectCall("a")),
      frame(3, TYPE_REQUEST, connectCall("b")),
    );
    expect(responses.some((r) => r.message.includes("begun after"))).toBe(true);
  });

  test("a streaming call is refused, its data dropped", async () => {
    const { responses } = await raw(
      frame(1, TYPE_REQUEST, connectCall("a"), 2),
      frame(1, TYPE_DATA, new Uint8Array(10)),
      frame(3, TYPE_REQUEST, connectCall("b")),
    );
    expect(responses[0]!.message).toContain("streams are not served here");
    expect(responses[1]).toEqual({ stream: 3, message: "" });
  });

  test("random bytes, and good frames with one byte changed, never hurt the server", async () => {
    let seed = 42;
    const random = () => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return seed / 0x7fffffff;
    };
    const good = new Uint8Array(
      await new Blob([1, 3, 5].map((n) => frame(n, TYPE_REQUEST, connectCall(`c${n}`)))).arrayBuffer(),
    );
    for (let round = 0; round < 150; round++) {
      const bytes =
        round % 3 === 0
          ? Uint8Array.from({ length: 1 + random() * 300 }, () => random() * 256)
          : good.slice();
      if (round % 3 !== 0) bytes[Math.floor(random() * bytes.length)] = random() * 256;
      const cut = Math.floor(random() * bytes.length);
      await raw(bytes.subarray(0, cut), bytes.subarray(cut));
    }
    const client = await TtrpcClient.connect(address);
    expect((await client.service(TaskV2).connect({ id: "alive" })).version).toBe("alive");
    client.close();
    for (const end = Date.now() + 5000; server.connections > 0 && Date.now() < end; ) await Bun.sleep(5);
    expect(server.connections).toBe(0);
    expect(errors.length).toBeGreaterThan(0);
  });
});

describe("frame reader", () => {
  test("any cutting of the stream gives the same frames", () => {
    const frames = [
      frame(1, 1, new Uint8Array(0)),
      frame(3, 2, new Uint8Array(500).fill(7), 4),
      frame(5, 3, new Uint8Array(20)),
    ];
    const all = Buffer.concat(frames);
    for (const step of [1, 3, 9, 10, 11, 100, all.length]) {
      const reader = new FrameReader();
      const out = [];
      for (let at = 0; at < all.length; at += step) out.push(...reader.push(all.subarray(at, at + step)));
      expect(out.map((f) => [f.stream, f.type, f.flags, f.payload.length])).toEqual([
        [1, 1, 0, 0],
        [3, 2, 4, 500],
        [5, 3, 0, 20],
      ]);
      expect(out[1]!.payload.every((b) => b === 7)).toBe(true);
    }
  });
});
