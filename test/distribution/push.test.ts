// Pushes into a registry whose every answer can be bent.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { MediaType } from "../../src/spec/oci/image.ts";
import { formatPlatform, hostPlatform } from "../../src/spec/oci/platform.ts";
import { connect } from "../../src/wire/containerd/client/connect.ts";
import type { Descriptor, PushRequest, TransferProgress } from "../../src/wire/containerd/services.ts";
import { FakeRegistry, layer } from "./fake-registry.ts";
import { Ground, NS } from "./ground.ts";
import { Uploads } from "./uploads.ts";

const small = layer([{ name: "etc/" }, { name: "etc/name", data: "one" }]);
const big = layer([{ name: "big", data: randomBytes(6_000_000).toString("base64") }], "none");

describe("push", () => {
  let ground: Ground;
  let origin: FakeRegistry;
  beforeAll(async () => {
    ground = await Ground.open();
    origin = await FakeRegistry.start();
    origin.image("oci", [small, big]);
    origin.image("docker", [small], { docker: true });
    const host = origin.image(undefined, [small]);
    const other = origin.image(undefined, [big], { config: { architecture: "s390x" } });
    const [os, architecture, variant] = formatPlatform(hostPlatform).split("/");
    const index = (tag: string, ...manifests: unknown[]) =>
      origin.document({ schemaVersion: 2, mediaType: MediaType.index, manifests }, MediaType.index, tag);
    index(
      "index",
      { ...host, platform: { os, architecture, variant } },
      { ...other, platform: { os: "linux", architecture: "s390x" } },
    );
    for (const tag of ["oci", "docker", "index"]) await ground.pull(`${origin.address}/team/box:${tag}`);
  });
  afterAll(async () => {
    await origin?.[Symbol.asyncDispose]();
    await ground?.[Symbol.asyncDispose]();
  });

  async function target(): Promise<{ registry: FakeRegistry; uploads: Uploads } & AsyncDisposable> {
    const registry = await FakeRegistry.start();
    return {
      registry,
      uploads: new Uploads(registry),
      [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
    };
  }
  const events: TransferProgress[] = [];
  async function push(
    tag: string,
    reference: string,
    options: Partial<PushRequest> = {},
  ): Promise<Descriptor> {
    events.length = 0;
    return await ground.transfer.push(
      NS,
      { reference, image: `${origin.address}/team/box:${tag}`, ...options },
      (progress) => events.push(progress),
    );
  }
  const told = (event: string) => events.filter((one) => one.event === event);

  for (const tag of ["oci", "docker"]) {
    test(`an image of the ${tag} kind arrives as it was`, async () => {
      await using to = await target();
      const pushed = await push(tag, `${to.registry.address}/mine/box:v1`);
      const there = to.registry.manifests.get("v1");
      expect(there).toEqual(origin.manifests.get(tag)!);
      expect(pushed).toMatchObject({ mediaType: there!.mediaType, size: there!.bytes.length });
      const manifest = JSON.parse(Buffer.from(there!.bytes).toString());
      for (const { digest } of [manifest.config, ...manifest.layers]) {
        expect(to.uploads.has("mine/box", digest)).toBe(true);
      }
      expect(told("waiting")).toHaveLength(manifest.layers.length + 1);
      expect(told("complete").length).toBe(manifest.layers.length + 2);
      expect(events.at(-1)).toMatchObject({ event: "done", digest: pushed.digest });
      // A second push finds everything there.
      to.uploads.log.length = 0;
      await push(tag, `${to.registry.address}/mine/box:v1`);
      expect(to.uploads.log).toEqual([]);
      expect(told("exists")).toHaveLength(manifest.layers.length + 2);
      // And what was pushed can be pulled.
      await using second = await Ground.open();
      expect((await second.pull(`${to.registry.address}/mine/box:v1`)).target.digest).toBe(pushed.digest);
      expect(await ground.leftovers()).toEqual([]);
    });
  }

  test("layers are mounted from a sister repository", async () => {
    await using to = await target();
    await push("oci", `${to.registry.address}/mine/box:v1`);
    to.uploads.log.length = 0;
    await push("oci", `${to.registry.address}/sister:v1`);
    expect(to.uploads.log.filter((line) => line === "MOUNT mine/box")).toHaveLength(2);
    expect(told("mounted").map(({ from }) => from)).toEqual(["mine/box", "mine/box"]);
  });

  test("a registry that takes no whole blobs gets chunks", async () => {
    await using to = await target();
    to.uploads.bend = (request, response) => {
      if (request.method !== "PUT" || !request.url?.includes("/uploads/")) return false;
      if (Number(request.headers["content-length"]) < 1_000_000) return false;
      request.resume();
      response.writeHead(413).end();
      return true;
    };
    await push("oci", `${to.registry.address}/mine/box:v1`);
    expect(to.uploads.log.filter((line) => line.startsWith("PATCH 0-"))).toHaveLength(1);
    expect(to.registry.manifests.has("v1")).toBe(true);
  });

  test("a connection that breaks is taken up where it broke", async () => {
    await using to = await target();
    let broken = 0;
    to.uploads.bend = (request) => {
      if (request.method !== "PUT" || Number(request.headers["content-length"]) < 1_000_000) return false;
      broken++;
      let seen = 0;
      request.on("data", (bytes: Buffer) => {
        seen += bytes.length;
        if (seen > 2_000_000) request.socket.destroy();
      });
      return false;
    };
    await push("oci", `${to.registry.address}/mine/box:v1`);
    expect(broken).toBe(1);
    const [patch] = to.uploads.log.filter((line) => line.startsWith("PATCH "));
    expect(Number(/^PATCH (\d+)-/.exec(patch ?? "")?.[1])).toBeGreaterThan(1_000_000);
    expect(to.registry.manifests.has("v1")).toBe(true);
  });

  test("429 and 503 are waited out", async () => {
    await using to = await target();
    const seen = new Map<string, number>();
    to.uploads.bend = (request, response) => {
      const key = `${request.method} ${request.url!.replace(/uploads\/.*/, "uploads")}`;
      const count = (seen.get(key) ?? 0) + 1;
      seen.set(key, count);
      if (count > 1 || request.url === "/v2/") return false;
      request.resume();
      response.writeHead(request.method === "PUT" ? 503 : 429, { "retry-after": "0" }).end();
      return true;
    };
    await push("docker", `${to.registry.address}/mine/box:v1`);
    expect(to.registry.manifests.has("v1")).toBe(true);
  });

  test("the token is asked for pushing, and for reading where blobs are mounted from", async () => {
    await using to = await target();
    await push("docker", `${to.registry.address}/lender:v1`);
    const scopes: string[][] = [];
    const tokens = createServer((request, response) => {
      scopes.push(new URL(request.url!, "http://t").searchParams.getAll("scope"));
      response.end(`{"token":"t"}`);
    });
    await new Promise<void>((ready) => tokens.listen(0, "127.0.0.1", ready));
    const realm = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
    to.uploads.bend = (request, response) => {
      if (request.headers.authorization === "Bearer t") return false;
      request.resume();
      response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service="s"` }).end();
      return true;
    };
    await push("docker", `${to.registry.address}/mine/box:v1`, { auth: { username: "me", password: "x" } });
    tokens.close();
    expect(scopes[0]).toEqual(["repository:mine/box:pull,push", "repository:lender:pull"]);
    expect(to.uploads.log).toContain("MOUNT lender");
  });

  test("basic credentials, and what a refusal says", async () => {
    await using to = await target();
    to.uploads.bend = (request, response) => {
      const { authorization } = request.headers;
      if (authorization === `Basic ${btoa("me:good")}`) return false;
      request.resume();
      response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end();
      return true;
    };
    const reference = `${to.registry.address}/mine/box:v1`;
    await expect(push("docker", reference)).rejects.toMatchObject({ code: "PermissionDenied" });
    await expect(
      push("docker", reference, { auth: { username: "me", password: "bad" } }),
    ).rejects.toMatchObject({ code: "PermissionDenied" });
    await push("docker", reference, { auth: { username: "me", password: "good" } });
    to.uploads.bend = (request, response) => {
      if (request.method !== "POST") return false;
      request.resume();
      response.writeHead(403, { "content-type": "application/json" });
      response.end(`{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`);
      return true;
    };
    await expect(push("docker", `${to.registry.address}/other:v1`)).rejects.toMatchObject({
      code: "PermissionDenied",
      message: "denied: requested access to the resource is denied",
    });
    expect(await ground.leftovers()).toEqual([]);
  });

  test("credentials do not follow an upload to another host", async () => {
    await using to = await target();
    await using storage = await target();
    to.uploads.bend = (request, response) => {
      if (request.headers.authorization === undefined) {
        request.resume();
        response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end();
        return true;
      }
      if (request.method !== "POST") return false;
      request.resume();
      const id = `s${storage.uploads.sessions.size + 1}`;
      storage.uploads.sessions.set(id, { repository: "mine/box", bytes: Buffer.alloc(0) });
      const location = `http://${storage.registry.address}/v2/mine/box/blobs/uploads/${id}?_state=a%2Bb`;
      response.writeHead(202, { location }).end();
      return true;
    };
    await push("docker", `${to.registry.address}/mine/box:v1`, { auth: { username: "me", password: "x" } });
    expect(storage.uploads.log.filter((line) => line.startsWith("PUT"))).toHaveLength(2);
    expect(storage.uploads.authorization.every((header) => header === undefined)).toBe(true);
  });

  test("an index of which one platform was pulled", async () => {
    await using to = await target();
    const reference = `${to.registry.address}/mine/box:v1`;
    await expect(push("index", reference)).rejects.toMatchObject({ code: "NotFound" });
    expect(to.registry.manifests.size).toBe(0);
    const single = await push("index", reference, { singleIfIncomplete: true });
    expect(single.mediaType).toBe(MediaType.manifest);
    expect(to.registry.manifests.get("v1")!.mediaType).toBe(MediaType.manifest);
    expect((await push("index", reference, { platform: hostPlatform })).digest).toBe(single.digest);
    await expect(
      push("index", reference, { platform: { os: "linux", architecture: "s390x" } }),
    ).rejects.toMatchObject({ code: "NotFound" });
    // The registry that has the rest already takes the whole index.
    const index = JSON.parse(Buffer.from(origin.manifests.get("index")!.bytes).toString());
    const foreign = index.manifests[1].digest as string;
    to.registry.manifests.set(foreign, origin.manifests.get(foreign)!);
    expect((await push("index", reference)).mediaType).toBe(MediaType.index);
    // And so does any registry once both platforms are here.
    await ground.pull(`${origin.address}/team/box:index`, {
      platform: { os: "linux", architecture: "s390x" },
      unpack: false,
    });
    await using other = await target();
    await push("index", `${other.registry.address}/mine/box:v1`);
    expect(other.registry.manifests.get("v1")!.mediaType).toBe(MediaType.index);
    expect(other.registry.manifests.has(foreign)).toBe(true);
  });

  test("a push that is cancelled leaves nothing, here or there", async () => {
    await using to = await target();
    const controller = new AbortController();
    to.uploads.bend = (request) => {
      if (request.method === "PUT" && request.url?.includes("/uploads/")) {
        request.once("data", () => controller.abort());
        return true;
      }
      return false;
    };
    await expect(
      push("oci", `${to.registry.address}/mine/box:v1`, { signal: controller.signal }),
    ).rejects.toMatchObject({ code: "Canceled" });
    expect(await ground.leftovers()).toEqual([]);
    expect(to.uploads.sessions.size).toBe(0);
    expect(to.registry.manifests.size).toBe(0);
  });

  test("over gRPC: the transfer service pushes, with credentials and progress", async () => {
    await using to = await target();
    const socket = `${ground.dir}/push.sock`;
    await ground.containerd.serve(socket);
    const client = await connect(socket);
    to.uploads.bend = (request, response) => {
      if (request.headers.authorization === `Basic ${btoa("me:good")}`) return false;
      request.resume();
      response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end();
      return true;
    };
    const seen: TransferProgress[] = [];
    const pushed = await client.services.transfer.push(
      NS,
      {
        reference: `${to.registry.address}/mine/box:v1`,
        image: `${origin.address}/team/box:docker`,
        auth: { username: "me", password: "good" },
        insecure: true,
      },
      (one) => seen.push(one),
    );
    await client.close();
    expect(to.registry.manifests.get("v1")!.mediaType).toBe(MediaType.dockerManifest);
    expect(pushed.mediaType).toBe(MediaType.dockerManifest);
    expect(seen.map(({ event }) => event)).toEqual(expect.arrayContaining(["waiting", "complete", "done"]));
  });
});
