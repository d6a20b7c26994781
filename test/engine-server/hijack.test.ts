// Connections that become streams: every way in which clients ask for one.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { badRequest, conflict } from "../../src/roles/engine/errors.ts";
import { type HijackRoute, RAW_STREAM } from "../../src/roles/engine/server/hijack.ts";
import { decodeChunks } from "../../src/roles/engine/server/hijack-body.ts";
import { matchHijack } from "../../src/roles/engine/server/hijack-connection.ts";
import type { Listeners } from "../../src/roles/engine/server/listen.ts";
import { serveApi } from "../../src/roles/engine/server/serve.ts";
import { type FakeEngine, fakeEngine } from "./fakes.ts";
import { talk } from "./raw.ts";

const echo: HijackRoute = {
  method: "POST",
  path: "/containers/:id/attach",
  async handle(_engine, hijack) {
    const body = await hijack.json();
    if (hijack.params["id"] === "none") throw conflict("no such luck");
    const stream = hijack.accept(RAW_STREAM);
    stream.write(`id=${hijack.params["id"]} body=${JSON.stringify(body)};`);
    stream.pipe(stream);
  },
};

describe("hijacking", () => {
  let fake: FakeEngine;
  let api: Listeners;
  let socket: string;
  beforeAll(async () => {
    fake = await fakeEngine();
    api = await serveApi(fake.engine, { routes: [], hijacks: [echo] });
    socket = api.addresses[0]!;
  });
  afterAll(() => {
    api.close();
    fake[Symbol.dispose]();
  });

  const head = (fields: string[], id = "abc") =>
    [`POST /v1.41/containers/${id}/attach?stdin=1 HTTP/1.1`, "Host: docker", ...fields, "", ""].join("\r\n");
  const upgrade = ["Connection: Upgrade", "Upgrade: tcp"];

  test("with Upgrade: 101, then bytes both ways, and half-close is the end of input", async () => {
    const text = await talk(socket, [head(upgrade), "hello"]);
    expect(text).toStartWith("HTTP/1.1 101 UPGRADED\r\n");
    expect(text).toContain("Connection: Upgrade\r\nUpgrade: tcp\r\n");
    expect(text).toContain(`Content-Type: ${RAW_STREAM}\r\n`);
    expect(text).toEndWith("id=abc body=undefined;hello");
  });

  test("with Upgrade and a body, and input in the same packet", async () => {
    const text = await talk(socket, [`${head([...upgrade, "Content-Length: 7"])}{"a":1}hello`]);
    expect(text).toEndWith('id=abc body={"a":1};hello');
  });

  test("with Upgrade and a chunked body whose last chunk does not come (dockerode)", async () => {
    const text = await talk(socket, [
      `${head([...upgrade, "Transfer-Encoding: chunked"])}7\r\n{"a":1}\r\n`,
      "hi",
    ]);
    expect(text).toEndWith('id=abc body={"a":1};hi');
  });

  test("with Upgrade and a whole chunked body", async () => {
    const text = await talk(socket, [
      `${head([...upgrade, "Transfer-Encoding: chunked"])}3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\nhi`,
    ]);
    expect(text).toEndWith('id=abc body={"a":1};hi');
  });

  test("without Upgrade: 200, then the same raw stream", async () => {
    const text = await talk(socket, [head([]), "hello"]);
    expect(text).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(text).not.toContain("Upgrade");
    expect(text).not.toContain("chunked");
    expect(text).toEndWith("id=abc body=undefined;hello");
  });

  test("without Upgrade, with a body and input in the same packet", async () => {
    const text = await talk(socket, [`${head(["Content-Length: 7"])}{"a":1}hello`]);
    expect(text).toEndWith('id=abc body={"a":1};hello');
  });

  test("without Upgrade on a connection that was used before", async () => {
    const text = await talk(socket, ["GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n", head([]), "hello"]);
    expect(text).toEndWith("id=abc body=undefined;hello");
  });

  test("a megabyte of input comes back whole", async () => {
    const input = Buffer.alloc(1 << 20, "0123456789abcdef");
    const text = await talk(socket, [head(upgrade), input]);
    const at = text.indexOf(";", text.indexOf("body="));
    expect(text.length - at - 1).toBe(input.length);
    expect(text.slice(at + 1) === input.toString("latin1")).toBeTrue();
  });

  test("a refusal before the stream is an ordinary answer, with either form", async () => {
    for (const fields of [upgrade, []]) {
      const text = await talk(socket, [head(fields, "none")]);
      expect(text).toStartWith("HTTP/1.1 409 Conflict\r\n");
      expect(text).toEndWith('{"message":"no such luck"}\n');
    }
  });

  test("broken bodies and versions are refused, and the next one is served", async () => {
    const broken = await talk(socket, [`${head([...upgrade, "Content-Length: 3"])}{a}`]);
    expect(broken).toStartWith("HTTP/1.1 400 Bad Request\r\n");
    const cut = await talk(socket, [`${head([...upgrade, "Content-Length: 30"])}{"a"`], { eager: true });
    expect(cut).toContain("400 Bad Request");
    const chunk = await talk(socket, [`${head([...upgrade, "Transfer-Encoding: chunked"])}zz\r\n`]);
    expect(chunk).toContain("invalid chunk size");
    const old = await talk(socket, [head(upgrade).replace("v1.41", "v1.1")]);
    expect(old).toContain("client version 1.1 is too old");
    expect(await talk(socket, [head(upgrade), "x"])).toEndWith(";x");
  });
});

test("chunks are read as far as they have come", () => {
  expect(decodeChunks(Buffer.from(""))).toEqual({ text: "", end: 0, last: false });
  expect(decodeChunks(Buffer.from("2\r\n{}"))).toEqual({ text: "", end: 0, last: false });
  expect(decodeChunks(Buffer.from("2;x=y\r\n{}\r\n"))).toEqual({ text: "{}", end: 11, last: false });
  expect(decodeChunks(Buffer.from("2\r\n{}\r\n0\r\n\r\nrest"))).toEqual({ text: "{}", end: 12, last: true });
  expect(() => decodeChunks(Buffer.from("-1\r\n"))).toThrow(badRequest("invalid chunk size in request body"));
});

test("routes are matched by method, shape and prefix", () => {
  const match = (method: string, url: string) => matchHijack([echo], { method, url })?.params;
  expect(match("POST", "/containers/a%20b/attach?x=/")).toEqual({ id: "a b" });
  expect(match("POST", "/v1.24/containers/a/attach")).toEqual({ id: "a" });
  expect(match("GET", "/containers/a/attach")).toBeUndefined();
  expect(match("POST", "/containers//attach")).toBeUndefined();
  expect(match("POST", "/containers/a/attach/ws")).toBeUndefined();
  expect(match("POST", "/containers/%zz/attach")).toBeUndefined();
});
