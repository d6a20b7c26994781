// What the engine asks registries besides pulls: search, the manifest behind a name; and mirrors that are asked first.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { parseMirror } from "../../src/roles/engine/config/values.ts";
import { mirrorsFor } from "../../src/roles/engine/images/registries.ts";
import { engineApp } from "../../src/roles/engine/server/serve.ts";
import type { DistributionInspect, SearchResult } from "../../src/spec/engine/image.ts";
import { candidate, HostsResolver } from "../../src/wire/distribution/mirrors.ts";
import { parseTagged } from "../../src/wire/distribution/reference.ts";
import { splitSearchTerm } from "../../src/wire/distribution/search.ts";
import { FakeRegistry, layer } from "../distribution/fake-registry.ts";
import { type FakeEngine, fakeEngine } from "../engine-server/fakes.ts";

describe("registries", () => {
  let fake: FakeEngine;
  let call: (path: string, init?: RequestInit) => Promise<Response>;
  beforeEach(async () => {
    fake = await fakeEngine();
    const app = engineApp(fake.engine, { routes: [], hijacks: [] });
    call = async (path, init) => app.request(`http://docker${path}`, init);
  });
  afterEach(() => fake[Symbol.dispose]());
  const message = async (response: Response) => ((await response.json()) as { message: string }).message;

  test("search asks the index that the term names, and filters what it says", async () => {
    const seen: { url: URL; authorization: string | null }[] = [];
    using index = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch(request) {
        seen.push({ url: new URL(request.url), authorization: request.headers.get("authorization") });
        return Response.json({
          num_results: 2,
          results: [
            { name: "library/bb", description: "a shell", star_count: 9, is_official: true },
            { name: "me/bb", description: "mine", star_count: 2, is_automated: true },
          ],
        });
      },
    });
    const auth = Buffer.from(JSON.stringify({ username: "u", password: "p" })).toString("base64url");
    const search = async (query: string) => {
      const response = await call(`/images/search?${query}`, { headers: { "X-Registry-Auth": auth } });
      return (await response.json()) as SearchResult[];
    };
    const term = `term=127.0.0.1:${index.port}/bb`;
    expect((await search(term)).map(({ name }) => name)).toEqual(["library/bb", "me/bb"]);
    expect(seen.at(-1)!.url.pathname + seen.at(-1)!.url.search).toBe("/v1/search?q=bb&n=25");
    expect(seen.at(-1)!.authorization).toBe(`Basic ${btoa("u:p")}`);
    const only = async (filters: object) =>
      (await search(`${term}&limit=3&filters=${encodeURIComponent(JSON.stringify(filters))}`)).map(
        ({ name }) => name,
      );
    expect(await only({ "is-official": ["true"] })).toEqual(["library/bb"]);
    expect(await only({ "is-automated": ["true"] })).toEqual(["me/bb"]);
    expect(await only({ stars: ["3"] })).toEqual(["library/bb"]);
    expect(seen.at(-1)!.url.searchParams.get("n")).toBe("3");
    for (const query of [
      "term=",
      `${term}&limit=101`,
      `${term}&limit=x`,
      `${term}&filters={"a":["b"]}`,
      `${term}&filters={"stars":["x"]}`,
    ]) {
      expect((await call(`/images/search?${query}`)).status).toBe(400);
    }
    index.stop(true);
    const gone = await call(`/images/search?${term}`);
    expect(gone.status).toBe(500);
    expect(await message(gone)).toContain("connection refused");
    expect(splitSearchTerm("a/b")).toEqual({ host: "index.docker.io", query: "a/b" });
  });

  test("distribution tells what a registry has, without pulling", async () => {
    await using registry = await FakeRegistry.start();
    const target = registry.image("latest", [layer([{ name: "f", data: "x" }])]);
    const response = await call(`/distribution/${registry.address}/team/x/json`);
    expect(response.status).toBe(200);
    const shown = (await response.json()) as DistributionInspect;
    expect(shown.Descriptor.digest).toBe(target.digest);
    expect(shown.Platforms).toMatchObject([{ os: "linux" }]);
    expect(fake.containerd.records.size).toBe(0);
    expect((await call(`/distribution/${registry.address}/team/x:nope/json`)).status).toBe(404);
    expect((await call("/distribution/UPPER/json")).status).toBe(400);
  });

  test("mirrors are asked first, one after another, and the registry last", async () => {
    await using mirror = await FakeRegistry.start();
    await using origin = await FakeRegistry.start();
    const contents = layer([{ name: "f", data: "x".repeat(100) }]);
    const target = mirror.image("latest", [contents]);
    origin.image("latest", [contents]);
    const failures: string[] = [];
    const resolver = new HostsResolver(
      [
        candidate("http://127.0.0.1:1/", { endpoint: "http://127.0.0.1:1/" }, false),
        candidate(`http://${mirror.address}/`, { endpoint: `http://${mirror.address}/` }, false),
        candidate("docker.io", { endpoint: `http://${origin.address}` }, true),
      ],
      (url) => failures.push(url),
    );
    const { descriptor, fetcher } = await resolver.resolve(parseTagged("busybox"));
    expect(descriptor.digest).toBe(target.digest);
    expect(failures).toEqual(["http://127.0.0.1:1/"]);
    expect(origin.requests).toEqual([]);
    expect(mirror.requests.some((request) => request.includes("/v2/library/busybox/manifests/latest"))).toBe(
      true,
    );
    // A mirror that loses a blob does not lose the pull.
    const blob = mirror.blobs.keys().next().value!;
    mirror.blobs.delete(blob);
    const stream = await fetcher.blob(blob, 0);
    let size = 0;
    for await (const chunk of stream.bytes) size += chunk.length;
    expect(size).toBe(origin.blobs.get(blob)!.length);
    expect(failures).toHaveLength(2);
  });

  test("mirrors are for Docker Hub alone, and their URLs are checked", () => {
    const config = { registryMirrors: [parseMirror("https://m.example")], insecureRegistries: ["m.example"] };
    expect(mirrorsFor("docker.io", config)).toEqual([{ url: "https://m.example/", insecure: true }]);
    expect(mirrorsFor("quay.io", config)).toEqual([]);
    for (const bad of ["nope", "ftp://x", "https://x?a=b", "https://x#f", "https://u:p@x"]) {
      expect(() => parseMirror(bad)).toThrow("invalid mirror");
    }
  });
});
