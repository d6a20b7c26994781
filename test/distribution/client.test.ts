// The registry client alone: authorization, redirects, retries, and what it says when nothing answers.
import { describe, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { RegistryAuth } from "../../src/wire/containerd/services.ts";
import { parseChallenges } from "../../src/wire/distribution/challenge.ts";
import { isLoopback } from "../../src/wire/distribution/connection.ts";
import { parseTagged } from "../../src/wire/distribution/reference.ts";
import { RegistryResolver } from "../../src/wire/distribution/registry.ts";
import { retryAfter } from "../../src/wire/distribution/retry.ts";
import { FakeRegistry, layer } from "./fake-registry.ts";
import { quick } from "./ground.ts";

const resolve = async (address: string, auth?: RegistryAuth) =>
  await new RegistryResolver({ auth, retry: quick }).resolve(parseTagged(`${address}/team/x`));

async function registry(): Promise<FakeRegistry> {
  const one = await FakeRegistry.start();
  one.image("latest", [layer([{ name: "f", data: "x".repeat(1000) }])]);
  return one;
}

/** Another server, for tokens and redirects. */
class Side implements AsyncDisposable {
  readonly seen: { method: string; url: URL; headers: IncomingMessage["headers"]; body: string }[] = [];
  readonly #server;
  private constructor(answer: (side: Side, request: IncomingMessage, response: ServerResponse) => void) {
    this.#server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        const url = new URL(request.url!, "http://side");
        this.seen.push({ method: request.method!, url, headers: request.headers, body });
        answer(this, request, response);
      });
    });
  }
  static async start(
    answer: (side: Side, request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<Side> {
    const side = new Side(answer);
    await new Promise<void>((ready) => side.#server.listen(0, "127.0.0.1", ready));
    return side;
  }
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((closed) => this.#server.close(() => closed()));
  }
}

/** Demands `authorization` for everything, with that challenge. */
function demand(one: FakeRegistry, authorization: () => string, challenge: string): void {
  one.bend = (request, response) => {
    if (request.headers.authorization === authorization()) return;
    response.writeHead(401, { "www-authenticate": challenge });
    response.end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] }));
    return true;
  };
}

describe("authorization", () => {
  test("basic", async () => {
    await using one = await registry();
    demand(one, () => `Basic ${btoa("me:secret")}`, `Basic realm="x"`);
    const { descriptor } = await resolve(one.address, { username: "me", password: "secret" });
    expect(descriptor.digest).toStartWith("sha256:");
    await expect(resolve(one.address)).rejects.toThrow("no basic auth credentials");
    await expect(resolve(one.address, { username: "me", password: "wrong" })).rejects.toMatchObject({
      code: "PermissionDenied",
      message: "unauthorized: authentication required",
    });
  });

  test("a token for the repository, without and with credentials", async () => {
    await using one = await registry();
    await using tokens = await Side.start((_side, _request, response) => response.end(`{"token":"t-1"}`));
    demand(
      one,
      () => "Bearer t-1",
      `Bearer realm="http://${tokens.address}/token?x=y",service="reg.example"`,
    );
    await resolve(one.address);
    expect(tokens.seen).toHaveLength(1);
    const [asked] = tokens.seen;
    expect(Object.fromEntries(asked!.url.searchParams)).toEqual({
      x: "y",
      service: "reg.example",
      scope: "repository:team/x:pull",
    });
    expect(asked!.headers.authorization).toBeUndefined();
    await resolve(one.address, { username: "me", password: "secret" });
    expect(tokens.seen[1]!.headers.authorization).toBe(`Basic ${btoa("me:secret")}`);
    expect(tokens.seen[1]!.url.searchParams.get("account")).toBe("me");
  });

  test("a token for an identity token, by POST", async () => {
    await using one = await registry();
    await using tokens = await Side.start((_side, _request, response) =>
      response.end(`{"access_token":"t-2"}`),
    );
    demand(one, () => "Bearer t-2", `Bearer realm="http://${tokens.address}/token",service="reg.example"`);
    await resolve(one.address, { identityToken: "refresh me" });
    const [asked] = tokens.seen;
    expect(asked!.method).toBe("POST");
    expect(Object.fromEntries(new URLSearchParams(asked!.body))).toMatchObject({
      grant_type: "refresh_token",
      refresh_token: "refresh me",
      service: "reg.example",
      scope: "repository:team/x:pull",
    });
  });

  test("a token that expires on the way is renewed", async () => {
    await using one = await registry();
    let issued = 0;
    await using tokens = await Side.start((_side, _request, response) =>
      response.end(`{"token":"t-${++issued}"}`),
    );
    let valid = 1;
    demand(one, () => `Bearer t-${valid}`, `Bearer realm="http://${tokens.address}/token"`);
    const { descriptor, fetcher } = await resolve(one.address);
    valid = 2;
    expect((await fetcher.manifest(descriptor.digest)).bytes.length).toBe(descriptor.size);
    expect(issued).toBe(2);
  });

  test("a token server that refuses, or talks nonsense", async () => {
    await using one = await registry();
    let answer: [status: number, body: string] = [401, `{"details":"incorrect username or password"}`];
    await using tokens = await Side.start((_side, _request, response) =>
      response.writeHead(answer[0]).end(answer[1]),
    );
    demand(one, () => "never", `Bearer realm="http://${tokens.address}/token"`);
    await expect(resolve(one.address, { username: "a", password: "b" })).rejects.toThrow(
      "unauthorized: incorrect username or password",
    );
    answer = [200, "<html>"];
    await expect(resolve(one.address)).rejects.toThrow("did not include a token in the response");
    answer = [200, `{"token":"t\\r\\nHost: evil"}`];
    await expect(resolve(one.address)).rejects.toThrow("did not include a token in the response");
  });

  test("challenges with quotes, commas and several schemes", () => {
    expect(
      parseChallenges(
        `Basic realm="a, \\"b\\"", Bearer realm="https://t/",service=reg , scope="repository:x:pull,push"`,
      ),
    ).toEqual([
      { scheme: "basic", parameters: { realm: `a, "b"` } },
      {
        scheme: "bearer",
        parameters: { realm: "https://t/", service: "reg", scope: "repository:x:pull,push" },
      },
    ]);
    expect(parseChallenges("")).toEqual([]);
    expect(parseChallenges("???")).toEqual([]);
  });
});

describe("redirects", () => {
  test("to another host, without the credentials and with the range", async () => {
    await using one = await registry();
    await using storage = await Side.start((_side, _request, response) =>
      response.writeHead(206, { "content-range": "bytes 3-9/10" }).end("3456789"),
    );
    const authorization = `Basic ${btoa("me:secret")}`;
    demand(one, () => authorization, "Basic");
    const allowed = one.bend;
    one.bend = (request, response) => {
      if (allowed(request, response)) return true;
      if (!request.url?.includes("/blobs/")) return;
      response.writeHead(307, { location: `http://${storage.address}/there?sig=1` }).end();
      return true;
    };
    const { fetcher } = await resolve(one.address, { username: "me", password: "secret" });
    const { offset, bytes } = await fetcher.blob(`sha256:${"0".repeat(64)}`, 3);
    const chunks: Uint8Array[] = [];
    for await (const chunk of bytes) chunks.push(chunk);
    expect([offset, Buffer.concat(chunks).toString()]).toEqual([3, "3456789"]);
    expect(one.headers.at(-1)?.authorization).toBe(authorization);
    expect(storage.seen[0]?.headers.authorization).toBeUndefined();
    expect(storage.seen[0]?.headers.range).toBe("bytes=3-");
  });
  test("in a circle end", async () => {
    await using one = await registry();
    one.bend = (request, response) => {
      if (request.url === "/v2/") return;
      response.writeHead(307, { location: request.url }).end();
      return true;
    };
    await expect(resolve(one.address)).rejects.toThrow("stopped after 10 redirects");
  });
  test("to what is no web address end", async () => {
    await using one = await registry();
    one.bend = (request, response) => {
      if (request.url === "/v2/") return;
      response.writeHead(307, { location: "file:///etc/passwd" }).end();
      return true;
    };
    await expect(resolve(one.address)).rejects.toThrow("redirected to file:");
  });
});

describe("asking again", () => {
  test("after 429 and 5xx", async () => {
    await using one = await registry();
    const answers = [429, 503, 500];
    one.bend = (request, response) => {
      if (request.url === "/v2/" || answers.length === 0) return;
      response.writeHead(answers.shift()!, { "retry-after": "0" }).end();
      return true;
    };
    expect((await resolve(one.address)).descriptor.digest).toStartWith("sha256:");
    expect(one.requests.filter((line) => line.startsWith("HEAD"))).toHaveLength(4);
  });
  test("not for ever: too many requests", async () => {
    await using one = await registry();
    one.bend = (request, response) => {
      if (request.url === "/v2/") return;
      response.writeHead(429, { "retry-after": "0" });
      response.end(
        JSON.stringify({
          errors: [{ code: "TOOMANYREQUESTS", message: "You have reached your pull rate limit." }],
        }),
      );
      return true;
    };
    await expect(resolve(one.address)).rejects.toMatchObject({
      code: "ResourceExhausted",
      message: "toomanyrequests: You have reached your pull rate limit.",
    });
  });
  test("Retry-After in seconds and as a date, bounded", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(retryAfter("3")).toBe(3000);
    expect(retryAfter("Thu, 01 Jan 2026 00:00:05 GMT", now)).toBe(5000);
    expect(retryAfter("86400")).toBe(120_000);
    expect(retryAfter("soon")).toBeUndefined();
    expect(retryAfter(null)).toBeUndefined();
  });
});

describe("what people are told", () => {
  test("a name that does not resolve", async () => {
    await expect(
      new RegistryResolver({ retry: quick }).resolve(parseTagged("nosuch.invalid/x")),
    ).rejects.toThrow(`Get "https://nosuch.invalid/v2/": dial tcp: lookup nosuch.invalid: no such host`);
  });
  test("a registry without HEAD and digest headers still works", async () => {
    await using one = await registry();
    one.bend = (request, response) => {
      if (request.method !== "HEAD") return;
      response.writeHead(405).end();
      return true;
    };
    const { descriptor } = await resolve(one.address);
    expect(one.manifests.get(descriptor.digest)).toBeDefined();
  });
  test("which registries need no TLS", () => {
    expect(["localhost", "localhost:5000", "127.0.0.1:1", "127.9.9.9", "[::1]:5000"].every(isLoopback)).toBe(
      true,
    );
    expect(
      ["docker.io", "10.0.0.1:5000", "localhost.example", "[::2]", "127.0.0.1.example"].some(isLoopback),
    ).toBe(false);
  });
});
