// The API's manners: versions, headers, errors, odd requests, streams.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import type { Listeners } from "../../src/roles/engine/server/listen.ts";
import { serveApi } from "../../src/roles/engine/server/serve.ts";
import type { EventMessage } from "../../src/spec/engine/events.ts";
import { type FakeEngine, fakeEngine } from "./fakes.ts";
import { talk } from "./raw.ts";

describe("the API", () => {
  let fake: FakeEngine;
  let api: Listeners;
  let socket: string;
  beforeAll(async () => {
    fake = await fakeEngine();
    api = await serveApi(fake.engine, { routes: [], hijacks: [] });
    socket = api.addresses[0]!;
  });
  afterAll(() => {
    api.close();
    fake[Symbol.dispose]();
  });
  const get = (path: string, init: RequestInit = {}) =>
    fetch(`http://docker${path}`, { unix: socket, ...init } as RequestInit);
  const json = (path: string, method: string, body: unknown) =>
    get(path, { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

  test("the socket is for root and the group", () => {
    expect((statSync(socket).mode & 0o777).toString(8)).toBe("660");
  });

  test("ping tells what to negotiate, by GET and HEAD, whatever the version", async () => {
    for (const path of ["/_ping", "/v1.24/_ping", "/v9.99/_ping"]) {
      const response = await get(path);
      expect(response.status).toBe(200);
      expect(await response.text()).toBe("OK");
      expect(Object.fromEntries(response.headers)).toMatchObject({
        "api-version": "1.51",
        "builder-version": "2",
        "docker-experimental": "false",
        ostype: "linux",
        swarm: "inactive",
        "content-type": "text/plain; charset=utf-8",
      });
      expect(response.headers.get("server")).toMatch(/^Docker\/\S+ \(linux\)$/);
    }
    const head = await get("/_ping", { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(head.headers.get("content-length")).toBe("0");
    expect(await head.text()).toBe("");
  });

  test("versions from 1.24 to 1.51 are served, others refused in docker's words", async () => {
    for (const version of ["1.24", "1.41", "1.51"])
      expect((await get(`/v${version}/version`)).status).toBe(200);
    const young = await get("/v1.52/version");
    expect(young.status).toBe(400);
    expect(await young.json()).toEqual({
      message: "client version 1.52 is too new. Maximum supported API version is 1.51",
    });
    expect(await (await get("/v1.11/info")).json()).toEqual({
      message:
        "client version 1.11 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
    });
  });

  test("unknown paths and methods are 404 with a message", async () => {
    for (const [path, method] of [
      ["/nope", "GET"],
      ["/v1.51/", "GET"],
      ["/version", "DELETE"],
    ] as const) {
      const response = await get(path, { method });
      expect(response.status).toBe(404);
      expect(await response.json()).toEqual({ message: "page not found" });
    }
  });

  test("what is not served says so", async () => {
    for (const path of [
      "/nodes",
      "/services",
      "/services/x/logs",
      "/tasks",
      "/secrets",
      "/configs",
      "/swarm",
    ]) {
      const response = await get(path);
      expect(response.status).toBe(503);
      expect(((await response.json()) as { message: string }).message).toContain("not a swarm manager");
    }
    expect(await (await get("/plugins")).json()).toEqual([]);
  });

  test("odd requests get a 4xx and harm nobody", async () => {
    const line = "GET /_ping HTTP/1.1\r\nHost: docker\r\n";
    expect(await talk(socket, [`${line}X-Big: ${"a".repeat(1 << 20)}\r\n\r\n`], { end: false })).toContain(
      " 431 ",
    );
    expect(await talk(socket, [`${line}X-Large: ${"a".repeat(900_000)}\r\n\r\n`])).toContain("200 OK");
    expect(await talk(socket, ["\x16\x03\x01\x02\x00"], { eager: true })).toContain("400 Bad Request");
    expect(await talk(socket, ["GET /_ping HTTP/1.1\r\nHos"], { eager: true })).toContain("400 Bad Request");
    expect(await talk(socket, ["GET /_ping HTTP/1.0\r\n\r\n"])).toContain("200 OK");
    expect(await talk(socket, ["GET /_ping HTTP/1.1\r\nHost: %2Fvar%2Frun%2Fdocker.sock\r\n\r\n"])).toContain(
      "OK",
    );
    const h2c = `${line}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`;
    expect(await talk(socket, [h2c])).toContain("200 OK");
    expect((await get("/_ping")).status).toBe(200);
  });

  test("bodies are refused with a reason", async () => {
    const bad = await get("/networks/create", { method: "POST", body: "{" });
    expect(bad.status).toBe(400);
    const typed = await json("/networks/create", "POST", { Name: 3 });
    expect(typed.status).toBe(400);
    expect(((await typed.json()) as { message: string }).message).toContain("NetworkCreateRequest.Name");
    const form = await get("/networks/create", {
      method: "POST",
      body: "Name=x",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
    });
    expect(((await form.json()) as { message: string }).message).toContain("must be 'application/json'");
    expect((await get("/networks/create", { method: "POST" })).status).toBe(400);
    expect((await get("/networks?filters=%7B")).status).toBe(400);
    expect((await get("/networks?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D")).status).toBe(400);
  });

  test("networks: create, list with filters, inspect, remove; refusals keep their status", async () => {
    const created = await json("/networks/create", "POST", { name: "net1", labels: { a: "b" } });
    expect(created.status).toBe(201);
    const { Id } = (await created.json()) as { Id: string };
    expect((await json("/networks/create", "POST", { Name: "net1" })).status).toBe(409);
    expect((await json("/networks/create", "POST", { Name: "host" })).status).toBe(403);
    const filters = encodeURIComponent(JSON.stringify({ label: ["a=b"] }));
    expect(await (await get(`/networks?filters=${filters}`)).json()).toMatchObject([{ Name: "net1", Id }]);
    expect(await (await get(`/networks/${Id.slice(0, 12)}`)).json()).toMatchObject({
      Name: "net1",
      Scope: "local",
    });
    expect((await get(`/networks/${Id}`, { method: "DELETE" })).status).toBe(204);
    expect((await get("/networks/net1")).status).toBe(404);
  });

  test("volumes: named and anonymous, kept, refused by bad names", async () => {
    const named = await json("/volumes/create", "POST", { Name: "vol1", Labels: { a: "b" } });
    expect(named.status).toBe(201);
    expect(await named.json()).toMatchObject({
      Name: "vol1",
      Driver: "local",
      Scope: "local",
      Labels: { a: "b" },
    });
    const nameless = (await (await json("/volumes/create", "POST", {})).json()) as { Name: string };
    expect(nameless.Name).toMatch(/^[0-9a-f]{64}$/);
    expect((await json("/volumes/create", "POST", { Name: "../x" })).status).toBe(400);
    expect((await json("/volumes/create", "POST", { Name: "x", Driver: "nfs" })).status).toBe(404);
    expect(await (await get("/volumes")).json()).toMatchObject({ Warnings: null });
    expect((await get("/volumes/vol1", { method: "DELETE" })).status).toBe(204);
    expect(await (await get("/volumes/vol1")).json()).toEqual({ message: "get vol1: no such volume" });
    expect((await get("/volumes/vol1?force=1", { method: "DELETE" })).status).toBe(204);
  });

  test("events: the head comes at once, replay and filters work, until ends it", async () => {
    const since = (Date.now() - 1000) / 1000;
    fake.engine.events.publish("container", "start", {
      ID: "c1",
      Attributes: { name: "one", image: "busybox" },
    });
    fake.engine.events.publish("image", "pull", { ID: "busybox:latest", Attributes: { name: "busybox" } });
    const filters = encodeURIComponent(JSON.stringify({ type: { container: true } }));
    const past = await get(`/events?since=${since}&until=${Date.now() / 1000 + 0.001}&filters=${filters}`);
    const lines = (await past.text()).trim().split("\n");
    expect(lines.length).toBe(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      status: "start",
      id: "c1",
      from: "busybox",
      scope: "local",
    });
    expect(lines[0]).toMatch(/"timeNano":\d{19}[,}]/);

    const abort = new AbortController();
    const live = await get("/events", { signal: abort.signal });
    expect(live.status).toBe(200);
    const reader = live.body!.getReader();
    fake.engine.events.publish("volume", "create", { ID: "v", Attributes: {} });
    const { value } = await reader.read();
    expect(JSON.parse(new TextDecoder().decode(value)) as EventMessage).toMatchObject({ Type: "volume" });
    const before = fake.engine.events.listeners;
    abort.abort();
    const deadline = Date.now() + 5000;
    while (fake.engine.events.listeners >= before && Date.now() < deadline) await Bun.sleep(5);
    expect(fake.engine.events.listeners).toBe(before - 1);
  });

  test("info and version say what is true", async () => {
    const info = (await (await get("/info")).json()) as Record<string, unknown>;
    expect(info).toMatchObject({
      ID: fake.engine.id,
      Driver: "overlayfs",
      OSType: "linux",
      DefaultRuntime: "runc",
      Runtimes: { runc: { path: "runc" } },
      Swarm: { LocalNodeState: "inactive" },
      LiveRestoreEnabled: true,
    });
    const version = (await (await get("/version")).json()) as { Components: { Name: string }[] };
    expect(version).toMatchObject({ ApiVersion: "1.51", MinAPIVersion: "1.24", Os: "linux" });
    expect(version.Components.map(({ Name }) => Name)).toEqual([
      "Engine",
      "containerd",
      "runc",
      "docker-init",
    ]);
  });
});
