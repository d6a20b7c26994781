// Streams over real FIFOs: attach before start, end after the last byte, backpressure, several clients, detach keys.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DetachMatcher, parseDetachKeys } from "../../src/roles/engine/streams/detach-keys.ts";
import { frame } from "../../src/roles/engine/streams/frame.ts";
import { type Attached, ProcessStreams } from "../../src/roles/engine/streams/process-streams.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "bunker-streams-"));
});
function openHere(): string[] {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory);
    } catch {
      return false;
    }
  });
}

afterEach(async () => {
  // Every test closes what it opened: a descriptor left here would be one left for each container. Bun closes a stream's
  // own copy a moment after its end.
  const until = Date.now() + 5000;
  while (openHere().length > 0 && Date.now() < until) await Bun.sleep(5);
  const left = openHere();
  rmSync(directory, { recursive: true, force: true });
  expect(left).toEqual([]);
});

function streams(more: Partial<ConstructorParameters<typeof ProcessStreams>[0]> = {}): ProcessStreams {
  const made = new ProcessStreams({
    directory,
    prefix: "init",
    terminal: false,
    stdin: false,
    stdout: true,
    stderr: true,
    alwaysRead: false,
    ...more,
  });
  made.makeFifos();
  return made;
}

/** The shim's side of an output FIFO. */
function writer(name: string): { write(text: string | Uint8Array): void; close(): void } {
  const fd = openSync(join(directory, name), constants.O_WRONLY);
  return { write: (text) => writeSync(fd, Buffer.from(text)), close: () => closeSync(fd) };
}

class Recorder implements Attached {
  text = "";
  ended = Promise.withResolvers<void>();
  blocked: PromiseWithResolvers<void> | undefined;
  chunks = 0;

  wants(): boolean {
    return true;
  }

  write(stream: string, chunk: Uint8Array): Promise<void> | undefined {
    this.chunks++;
    this.text += `${stream}:${Buffer.from(chunk).toString()};`;
    return this.blocked?.promise;
  }

  end(): void {
    this.ended.resolve();
  }
}

test("who attaches before the start sees every byte, and the end comes after the last", async () => {
  const all = streams();
  const client = new Recorder();
  all.attach(client);
  all.open();
  const out = writer("init-stdout");
  const err = writer("init-stderr");
  out.write("first");
  const { drained } = all.finish();
  out.write(" last");
  out.close();
  err.close();
  await drained;
  await client.ended.promise;
  expect(client.text.replaceAll(";stdout:", "")).toBe("stdout:first last;");
});

test("nobody attached: nothing is read, the shim finds no reader", () => {
  const all = streams();
  all.open();
  expect(() => openSync(join(directory, "init-stdout"), constants.O_WRONLY | constants.O_NONBLOCK)).toThrow(
    "ENXIO",
  );
  all.close();
});

test("a client that takes nothing holds the process back, and its end does not wait for it for ever", async () => {
  const all = streams();
  const client = new Recorder();
  client.blocked = Promise.withResolvers<void>();
  all.attach(client);
  all.open();
  const out = writer("init-stdout");
  out.write("x");
  const until = Date.now() + 5000;
  while (client.chunks === 0 && Date.now() < until) await Bun.sleep(5);
  out.write("y");
  out.close();
  const { settled, drained } = all.finish();
  await settled;
  expect(client.chunks).toBe(1);
  client.blocked.resolve();
  client.blocked = undefined;
  await drained;
  expect(client.text).toBe("stdout:x;stdout:y;");
});

test("the last client that leaves closes the FIFO; a later one opens it again", async () => {
  const all = streams({ stderr: false });
  all.open();
  const first = new Recorder();
  const leave = all.attach(first);
  leave();
  const until = Date.now() + 5000;
  for (;;) {
    try {
      closeSync(openSync(join(directory, "init-stdout"), constants.O_WRONLY | constants.O_NONBLOCK));
    } catch {
      break;
    }
    if (Date.now() > until) throw new Error("the FIFO still has a reader");
    await Bun.sleep(5);
  }
  const second = new Recorder();
  all.attach(second);
  const out = writer("init-stdout");
  out.write("again");
  out.close();
  await all.finish().drained;
  expect(second.text).toBe("stdout:again;");
});

test("input arrives whole through a full pipe, and abandoned input leaves nothing open", async () => {
  const all = streams({ stdin: true, stdout: false, stderr: false });
  all.open();
  const big = new Uint8Array(3 << 20).fill(120);
  const child = Bun.spawn(["cat", join(directory, "init-stdin")], { stdout: "pipe" });
  const length = new Response(child.stdout).arrayBuffer().then((bytes) => bytes.byteLength);
  await all.writeStdin(big);
  await all.closeStdin();
  expect(await length).toBe(big.length);
  await child.exited;

  const second = streams({ stdin: true, stdout: false, stderr: false });
  second.open();
  const stuck = second.writeStdin(big);
  await second.finish().drained;
  await stuck;
});

describe("detach keys", () => {
  const bytes = (...list: number[]) => new Uint8Array(list);
  test("parsing", () => {
    expect(parseDetachKeys("")).toEqual(bytes(16, 17));
    expect(parseDetachKeys("ctrl-a,b,ctrl-[")).toEqual(bytes(1, 98, 27));
    expect(() => parseDetachKeys("ctrl-ab")).toThrow("Invalid detach keys (ctrl-ab) provided");
  });
  test("found across chunks; what was withheld comes back", () => {
    const matcher = new DetachMatcher(bytes(16, 17));
    expect(matcher.push(bytes(97, 16))).toEqual({ input: bytes(97), detached: false });
    expect(matcher.push(bytes(98))).toEqual({ input: bytes(16, 98), detached: false });
    expect(matcher.push(bytes(16))).toEqual({ input: bytes(), detached: false });
    expect(matcher.push(bytes(16, 17, 99))).toEqual({ input: bytes(16), detached: true });
  });
});

test("frames", () => {
  expect(frame("stderr", new Uint8Array([1, 2, 3]))).toEqual(
    new Uint8Array([2, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]),
  );
});
