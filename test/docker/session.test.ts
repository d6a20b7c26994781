// The pieces of an attached command without an engine: frames, detach keys, a pull's progress, flags, credentials.
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, encodeAuth } from "../../src/roles/docker/config/credentials.ts";
import { parseFlags } from "../../src/roles/docker/flags/flagset.ts";
import { DetachKeys, parseKeys } from "../../src/roles/docker/session/detach-keys.ts";
import { showProgress } from "../../src/roles/docker/session/progress.ts";
import { parseHost } from "../../src/wire/engine/address.ts";
import { EngineClient } from "../../src/wire/engine/client.ts";
import { FrameDecoder } from "../../src/wire/engine/frames.ts";
import { jsonLines } from "../../src/wire/engine/lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const frame = (stream: number, text: string) => {
  const payload = bytes(text);
  const whole = new Uint8Array(8 + payload.length);
  whole[0] = stream;
  new DataView(whole.buffer).setUint32(4, payload.length);
  whole.set(payload, 8);
  return whole;
};

describe("frames", () => {
  const whole = Buffer.concat([frame(1, "out"), frame(2, "error"), frame(1, ""), frame(1, "more")]);
  test.each([1, 2, 3, 7, 8, 9, 100])("cut every %i bytes", (size) => {
    const decoder = new FrameDecoder();
    const texts = { stdin: "", stdout: "", stderr: "", system: "" };
    for (let at = 0; at < whole.length; at += size) {
      // A copy: the decoder works in the chunk that it is given.
      for (const piece of decoder.push(Uint8Array.from(whole.subarray(at, at + size)))) {
        texts[piece.stream] += new TextDecoder().decode(piece.bytes);
      }
    }
    expect(texts).toEqual({ stdin: "", stdout: "outmore", stderr: "error", system: "" });
    expect(decoder.whole).toBe(true);
  });
  test("the engine's error inside the stream, and garbage", () => {
    expect(() => [...new FrameDecoder().push(frame(3, "no logs"))]).toThrow(
      "error from daemon in stream: no logs",
    );
    expect(() => [...new FrameDecoder().push(bytes("HTTP/1.1 200"))]).toThrow(
      "Unrecognized input header: 72",
    );
  });
});

describe("detach keys", () => {
  const typed = (...chunks: string[]) => {
    const keys = new DetachKeys(parseKeys("ctrl-p,ctrl-q"));
    let out = "";
    for (const chunk of chunks) {
      const { bytes: passed, detached } = keys.filter(bytes(chunk));
      out += new TextDecoder().decode(passed);
      if (detached) return [out, "detached"];
    }
    return [out, ""];
  };
  test("found in one chunk and in two", () => {
    expect(typed("ab\x10\x11c")).toEqual(["ab", "detached"]);
    expect(typed("ab\x10", "\x11")).toEqual(["ab", "detached"]);
    expect(typed("\x10\x10\x11")).toEqual(["\x10", "detached"]);
  });
  test("a started sequence that is none goes through", () => {
    expect(typed("\x10", "x")).toEqual(["\x10x", ""]);
    expect(typed("\x11\x10a\x11")).toEqual(["\x11\x10a\x11", ""]);
  });
  test("spelling", () => {
    expect(parseKeys("a,ctrl-a,ctrl-@,ctrl-[")).toEqual([97, 1, 0, 27]);
    expect(() => parseKeys("ctrl-")).toThrow("invalid detach keys (ctrl-): Unknown character: 'ctrl-'");
  });
});

describe("progress", () => {
  const lines = [
    { status: "Pulling from library/x", id: "latest" },
    { status: "Pulling fs layer", progressDetail: {}, id: "abc" },
    { status: "Downloading", progressDetail: { current: 512, total: 1024 }, id: "abc" },
    { status: "Pull complete", progressDetail: {}, id: "abc" },
    { status: "Digest: sha256:1" },
  ];
  const shown = async (terminal: boolean, more: object[] = []) => {
    let text = "";
    await showProgress(
      (async function* () {
        yield* [...lines, ...more];
      })(),
      { terminal, fd: -1, print: (piece) => (text += piece) },
    );
    return text;
  };
  test("a line a step where there is no terminal", async () => {
    expect(await shown(false)).toBe(
      "latest: Pulling from library/x\nabc: Pulling fs layer\nabc: Pull complete\nDigest: sha256:1\n",
    );
  });
  test("redrawn bars on a terminal", async () => {
    const text = await shown(true);
    expect(text).toContain(
      `\x1b[1A\x1b[2K\rabc: Downloading [${"=".repeat(25)}>${" ".repeat(25)}]     512B/1.024kB\r\x1b[1B`,
    );
  });
  test("an error inside the stream", async () => {
    expect(
      shown(false, [{ errorDetail: { message: "no space left" }, error: "no space left" }]),
    ).rejects.toThrow("no space left");
  });
  test("JSON values whatever the chunks", async () => {
    const body = new Blob(['{"a":1}\r\n{"a"', ':2}\n\n{"a":3}']).stream();
    const values: unknown[] = [];
    for await (const value of jsonLines(body)) values.push(value);
    expect(values).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }]);
  });
});

describe("flags", () => {
  const table = [
    { name: "all", short: "a", kind: "bool", usage: "" },
    { name: "it", short: "i", kind: "bool", usage: "" },
    { name: "publish", short: "p", kind: "list", usage: "" },
    { name: "name", kind: "string", usage: "" },
  ] as const;
  test("short ones run together, values with and without =", () => {
    const { flags, args } = parseFlags(
      table,
      ["-aip80:80", "-p=1", "-p", "2", "--name=x=y", "c", "--all=false"],
      true,
    );
    expect([flags.bool("all"), flags.bool("it"), flags.list("publish"), flags.string("name"), args]).toEqual([
      false,
      true,
      ["80:80", "1", "2"],
      "x=y",
      ["c"],
    ]);
  });
  test("they end at the first argument, or at --", () => {
    expect(parseFlags(table, ["-a", "img", "-p", "x"], false).args).toEqual(["img", "-p", "x"]);
    expect(parseFlags(table, ["--", "-a"], true).args).toEqual(["-a"]);
    expect(parseFlags(table, ["-", "-a"], true).args).toEqual(["-"]);
  });
});

describe("credentials", () => {
  test("from auths, by host however it is written", async () => {
    const auth = Buffer.from("me:se:cret").toString("base64");
    const config = { auths: { "https://index.docker.io/v1/": { auth }, "https://r.example/v2/": { auth } } };
    const wanted = { username: "me", password: "se:cret" };
    expect(await credentials(config, "docker.io")).toMatchObject(wanted);
    expect(await credentials(config, "r.example")).toMatchObject(wanted);
    expect(await credentials(config, "other.example")).toEqual({});
    expect(await credentials({ auths: { x: { identitytoken: "t" } } }, "x")).toMatchObject({
      identitytoken: "t",
    });
    expect(encodeAuth({})).toBe("e30=");
  });
  test("from a helper program", async () => {
    const dir = mkdtempSync(join(tmpdir(), "bunker-credentials-"));
    const path = process.env["PATH"];
    try {
      const helper = join(dir, "docker-credential-fake");
      writeFileSync(
        helper,
        '#!/bin/sh\nread host\n[ "$host" = r.example ] && { echo \'{"Username":"me","Secret":"x"}\'; exit; }\n[ "$host" = t.example ] && { echo \'{"Username":"<token>","Secret":"t"}\'; exit; }\necho "credentials not found in native keychain"; exit 1\n',
      );
      chmodSync(helper, 0o755);
      process.env["PATH"] = `${dir}:${path}`;
      const config = { credHelpers: { "r.example": "fake" }, credsStore: "fake" };
      expect(await credentials(config, "r.example")).toMatchObject({ username: "me", password: "x" });
      expect(await credentials(config, "t.example")).toMatchObject({ identitytoken: "t" });
      expect(await credentials(config, "docker.io")).toEqual({});
      expect(credentials({ credsStore: "absent" }, "docker.io")).rejects.toThrow("error getting credentials");
    } finally {
      process.env["PATH"] = path;
      rmSync(dir, { recursive: true });
    }
  });
});

test("hosts", () => {
  expect(parseHost("unix:///a/b")).toMatchObject({ kind: "unix", path: "/a/b" });
  expect(parseHost("tcp://h:1")).toMatchObject({ kind: "tcp", hostname: "h", port: 1 });
  expect(parseHost("h")).toMatchObject({ kind: "tcp", hostname: "h", port: 2375 });
  expect(parseHost("tcp://[::1]", true)).toMatchObject({ hostname: "[::1]", port: 2376 });
  expect(() => parseHost("foo://x")).toThrow("invalid bind address format: foo://x");
});

describe("the API version", () => {
  /** An engine of API 1.41, or of ours; what it was asked, in order. */
  async function asked(old: boolean, work: (client: EngineClient) => Promise<void>): Promise<string[]> {
    const dir = mkdtempSync(join(tmpdir(), "bunker-version-"));
    const seen: string[] = [];
    const server = Bun.serve({
      unix: join(dir, "docker.sock"),
      fetch(request) {
        const { pathname } = new URL(request.url);
        seen.push(`${request.method} ${pathname}`);
        const version = /^\/v([\d.]+)\//.exec(pathname)?.[1] ?? "";
        if (old && version !== "" && version !== "1.41") {
          const message = `client version ${version} is too new. Maximum supported API version is 1.41`;
          return Response.json({ message }, { status: 400 });
        }
        return Response.json([], { headers: { "Api-Version": old ? "1.41" : "1.51" } });
      },
    });
    try {
      await work(new EngineClient({ host: `unix://${dir}/docker.sock`, userAgent: "test" }));
    } finally {
      await server.stop(true);
      rmSync(dir, { recursive: true });
    }
    return seen;
  }
  const list = async (client: EngineClient) => {
    await client.json("GET", "/containers/json");
    await client.json("GET", "/images/json");
  };

  test("an engine of today is not asked for it", async () => {
    expect(await asked(false, list)).toEqual(["GET /v1.51/containers/json", "GET /v1.51/images/json"]);
  });
  test("an older one refuses ours, and is asked", async () => {
    expect(await asked(true, list)).toEqual([
      "GET /v1.51/containers/json",
      "HEAD /_ping",
      "GET /v1.41/containers/json",
      "GET /v1.41/images/json",
    ]);
  });
  test("a body that cannot be sent twice is not risked", async () => {
    const seen = await asked(true, async (client) => {
      await client.done("POST", "/images/load", { body: new Blob(["tar"]).stream() });
    });
    expect(seen).toEqual(["HEAD /_ping", "POST /v1.41/images/load"]);
  });
});
