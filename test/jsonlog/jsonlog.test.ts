import { afterAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LineEncoder, MAX_LINE, rfc3339Nano } from "../../src/store/jsonlog/encode.ts";
import { Entries } from "../../src/store/jsonlog/entries.ts";
import { JsonLog, readLog } from "../../src/store/jsonlog/index.ts";

const directory = mkdtempSync(join(tmpdir(), "jsonlog-"));
afterAll(() => rmSync(directory, { recursive: true }));
let serial = 0;
const fresh = () => join(directory, `${serial++}.log`);
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(of);
const buffer = new Entries();
const taken = () => text(buffer.take());
const push = (encoder: LineEncoder, chunk: Uint8Array): string => {
  encoder.push(chunk, T, buffer);
  return taken();
};
const T = "2024-05-06T07:08:09.1Z";

async function all(path: string, options = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const { line } of readLog(path, options)) lines.push(text(line));
  return lines;
}

describe("encoder", () => {
  test("Docker's format", () => {
    expect(push(new LineEncoder("stderr"), bytes("a\nb\n"))).toBe(
      `{"log":"a\\n","stream":"stderr","time":"${T}"}\n{"log":"b\\n","stream":"stderr","time":"${T}"}\n`,
    );
  });

  test("times as Go prints them", () => {
    expect(rfc3339Nano({ seconds: 0, nanos: 0 })).toBe("1970-01-01T00:00:00Z");
    expect(rfc3339Nano({ seconds: 1, nanos: 120_000_000 })).toBe("1970-01-01T00:00:01.12Z");
    expect(rfc3339Nano({ seconds: 1, nanos: 1 })).toBe("1970-01-01T00:00:01.000000001Z");
  });

  test("any bytes come back, however they were cut", () => {
    const samples = [
      "",
      "\n",
      "\n\n\nx\n",
      "no end",
      'quotes " and \\ and \\n and \\\\n\n"\\\n',
      "tabs\tcr\r\nnul\0 esc\x1b[0m\n",
      "<html> & \u2028 \u2029 € 😀 \ufeffbom\n",
      `${"x".repeat(MAX_LINE)}\n`,
      `${"x".repeat(MAX_LINE + 1)}\nshort\n`,
      `a\n${"€".repeat(20_000)}\nb\n`,
      `${"y".repeat(3 * MAX_LINE)}`,
      `${"line of text\n".repeat(5000)}tail`,
      // One thing to be escaped or decoded in chunks that else need no look.
      ...['"', "\\", "<", "\t", "\x7f", "\x1f", "é", "€", "😀", "\u2028", "\ufffd"].map(
        (odd) => `${"line of text\n".repeat(300)}odd ${odd} one\n${"line of text\n".repeat(300)}`,
      ),
      "\n".repeat(30_000),
    ];
    for (const sample of samples)
      for (const step of [1, 7, 1000, 16384, 65536, 1 << 20]) {
        if (step === 1 && sample.length > 20_000) continue;
        const encoder = new LineEncoder("stdout");
        let out = "";
        const input = bytes(sample);
        for (let at = 0; at < input.length; at += step) out += push(encoder, input.subarray(at, at + step));
        encoder.flush(T, buffer);
        out += taken();
        expect(encoder.rest.length).toBe(0);
        const entries = out
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line) as { log: string });
        expect(entries.map((e) => e.log).join("")).toBe(sample);
        for (const { log } of entries) {
          expect(bytes(log).length).toBeLessThanOrEqual(MAX_LINE + 1);
          expect(log.slice(0, -1)).not.toContain("\n");
        }
      }
  });

  test("what is no UTF-8 is replaced, and disturbs no other line", () => {
    const out = push(new LineEncoder("stdout"), new Uint8Array([0xff, 10, 0x61, 10, 0xc3, 10]));
    expect(
      out
        .split("\n")
        .slice(0, -1)
        .map((l) => (JSON.parse(l) as { log: string }).log),
    ).toEqual(["\ufffd\n", "a\n", "\ufffd\n"]);
    const many = bytes("line of text\n".repeat(300));
    many[700] = 0xff;
    const whole = push(new LineEncoder("stdout"), many);
    expect(whole.split("\n").filter((line) => line.includes("\ufffd"))).toHaveLength(1);
    expect(whole.split("\n")).toHaveLength(301);
  });
});

describe("writer", () => {
  test("two streams interleave by lines; the unfinished last line is written at the end", async () => {
    const path = fresh();
    const log = new JsonLog(path);
    log.write("stdout", bytes("ou"));
    log.write("stderr", bytes("err\n"));
    log.write("stdout", bytes("t\nrest"));
    expect(await all(path)).toEqual(["err\n", "out\n"]);
    log.end("stdout");
    log.end("stderr");
    log.close();
    expect(await all(path)).toEqual(["err\n", "out\n", "rest"]);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  test("goes on with a log that a crash cut short", async () => {
    const path = fresh();
    writeFileSync(path, `{"log":"a\\n","stream":"stdout","time":"${T}"}\n{"log":"half`);
    const log = new JsonLog(path);
    log.write("stdout", bytes("b\n"));
    log.close();
    expect(await all(path)).toEqual(["a\n", "b\n"]);
  });

  test("rotates by size, keeps max-file files, loses no line at a border", async () => {
    const path = fresh();
    const log = new JsonLog(path, { maxSize: 1000, maxFile: 3 });
    let chunk = "";
    for (let i = 0; i < 30; i++) chunk += `line ${i}\n`;
    log.write("stdout", bytes(chunk));
    expect(existsSync(`${path}.2`)).toBe(true);
    expect(existsSync(`${path}.3`)).toBe(false);
    for (const name of [`${path}.1`, `${path}.2`]) {
      expect(statSync(name).size).toBeGreaterThanOrEqual(1000);
      expect(statSync(name).size).toBeLessThan(1200);
      expect(readFileSync(name, "utf8").endsWith("\n")).toBe(true);
    }
    const lines = await all(path);
    const first = Number(lines[0]!.split(" ")[1]);
    expect(lines).toEqual(Array.from({ length: 30 - first }, (_, i) => `line ${first + i}\n`));
    log.close();
  });

  test("max-file 1: the file begins anew", async () => {
    const path = fresh();
    const log = new JsonLog(path, { maxSize: 200, maxFile: 1 });
    for (let i = 0; i < 20; i++) log.write("stdout", bytes(`line ${i}\n`));
    expect(existsSync(`${path}.1`)).toBe(false);
    expect(statSync(path).size).toBeLessThan(400);
    expect((await all(path)).at(-1)).toBe("line 19\n");
    log.close();
  });
});

describe.skipIf(process.getuid?.() !== 0)("a full disk (needs root, for a small tmpfs)", () => {
  test("output that does not fit is lost with an error; what fits later is whole lines again", async () => {
    const mount = join(directory, "small");
    mkdirSync(mount);
    expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount]).exitCode).toBe(0);
    try {
      const path = join(mount, "x.log");
      const filler = join(mount, "filler");
      writeFileSync(filler, Buffer.alloc(40_000));
      const log = new JsonLog(path);
      log.write("stdout", bytes("before\n"));
      expect(() => log.write("stdout", bytes(`${"x".repeat(99)}\n`.repeat(2000)))).toThrow("ENOSPC");
      rmSync(filler);
      log.write("stdout", bytes("after\n"));
      const lines = await all(path);
      expect(lines[0]).toBe("before\n");
      expect(lines.at(-1)).toBe("after\n");
      expect(lines.slice(1, -1).every((line) => line === `${"x".repeat(99)}\n`)).toBe(true);
      log.close();
      log.write("stdout", bytes("too late\n"));
      expect((await all(path)).at(-1)).toBe("after\n");
    } finally {
      Bun.spawnSync(["umount", mount]);
    }
  });
});

describe("reader", () => {
  const entry = (n: number, stream = "stdout", log = `line ${n}\n`) =>
    `${JSON.stringify({ log, stream, time: `2024-01-01T00:00:${String(n).padStart(2, "0")}.5Z` })}\n`;

  test("no file: no lines", async () => expect(await all(fresh())).toEqual([]));

  test("tail, across blocks and rotated files", async () => {
    const path = fresh();
    writeFileSync(`${path}.1`, entry(1) + entry(2));
    writeFileSync(path, entry(3, "stdout", `${"x".repeat(200_000)}\n`) + entry(4));
    expect(await all(path, { tail: 1 })).toEqual(["line 4\n"]);
    expect((await all(path, { tail: 2 })).map((l) => l.length)).toEqual([200_001, 7]);
    expect((await all(path, { tail: 3 }))[0]).toBe("line 2\n");
    expect((await all(path, { tail: 99 })).length).toBe(4);
    expect(await all(path, { tail: 0 })).toEqual([]);
    expect((await all(path)).length).toBe(4);
  });

  test("since and until, streams", async () => {
    const path = fresh();
    writeFileSync(path, [1, 2, 3, 4, 5].map((n) => entry(n, n % 2 ? "stdout" : "stderr")).join(""));
    expect(
      await all(path, { since: "2024-01-01T00:00:02.5Z", until: "2024-01-01T00:00:04.500000000Z" }),
    ).toEqual(["line 2\n", "line 3\n", "line 4\n"]);
    expect(await all(path, { since: "2024-01-01T00:00:02.500000001Z", stdout: false })).toEqual(["line 4\n"]);
    expect(await all(path, { since: "2024-01-01T00:00:05Z" })).toEqual(["line 5\n"]);
  });

  test("damaged and half-written lines are left out", async () => {
    const path = fresh();
    writeFileSync(path, `${entry(1)}garbage\n{"log":5}\nnull\n${entry(2)}{"log":"ha`);
    expect(await all(path)).toEqual(["line 1\n", "line 2\n"]);
  });

  test("follow: waits for the file, for lines, over rotations, until told to stop", async () => {
    const path = fresh();
    const stop = new AbortController();
    const seen: string[] = [];
    const wanted = Promise.withResolvers<void>();
    const total = 400;
    const reading = (async () => {
      for await (const { line } of readLog(path, { follow: true, signal: stop.signal })) {
        seen.push(text(line));
        if (seen.length === total + 1) wanted.resolve();
      }
    })();
    const log = new JsonLog(path, { maxSize: 4000, maxFile: 4 });
    for (let i = 0; i < total; i++) {
      log.write("stdout", bytes(`line ${i}\n`));
      // A follower that is a whole rotation behind has lost lines, with Docker too.
      while (i % 20 === 0 && seen.length < i) await Bun.sleep(1);
    }
    log.write("stdout", bytes("last"));
    log.end("stdout");
    await wanted.promise;
    stop.abort();
    await reading;
    expect(seen).toEqual([...Array.from({ length: total }, (_, i) => `line ${i}\n`), "last"]);
    log.close();
  }, 20_000);

  test("follow from the tail: a line that is being written comes once, whole", async () => {
    const path = fresh();
    writeFileSync(path, entry(1) + entry(2));
    const lines = readLog(path, { follow: true, tail: 1 });
    expect(text((await lines.next()).value!.line)).toBe("line 2\n");
    const next = lines.next();
    const whole = entry(3);
    appendFileSync(path, whole.slice(0, 10));
    await Bun.sleep(5);
    appendFileSync(path, whole.slice(10));
    expect(text((await next).value!.line)).toBe("line 3\n");
    await lines.return(undefined);
  });
});
