// hosts.toml: which hosts are asked for a registry's images, in which order, for what, and with which certificates and headers.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { readHosts } from "../../src/wire/distribution/hosts.ts";
import { must } from "../support/process.ts";
import { digestOf, FakeRegistry, layer } from "./fake-registry.ts";
import { Ground } from "./ground.ts";

const root = process.getuid?.() === 0;
const openssl = Bun.which("openssl");
const without = openssl ? "" : " (skipped: openssl is not installed)";

const dir = mkdtempSync(join(tmpdir(), "bunker-hosts-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let serial = 0;

/** A directory of hosts with one file for each registry named. */
function hosts(files: Record<string, string>): string {
  const at = join(dir, `hosts-${serial++}`);
  for (const [domain, text] of Object.entries(files)) {
    mkdirSync(join(at, domain), { recursive: true });
    writeFileSync(join(at, domain, "hosts.toml"), text);
  }
  return at;
}

const contents = () => layer([{ name: "f", data: "x".repeat(1000) }]);

describe("reading hosts.toml", () => {
  test("hosts in the file's order, the server last; what a host may be asked for", () => {
    const at = hosts({
      "example.com:5000": `server = "https://origin.example"
[host."https://one.example"]
  capabilities = ["pull"]
  [host."https://one.example".header]
    X-Plain = "a"
    x-list = ["b", "c"]
[host."http://two.example/prefix"]
  override_path = true
  skip_verify = true
`,
    });
    expect(readHosts(at, "example.com:5000")).toMatchObject([
      {
        url: "https://one.example",
        capabilities: ["pull"],
        options: { headers: { "x-plain": "a", "x-list": "b, c" } },
      },
      { url: "http://two.example/prefix", options: { wholePath: true, tls: { rejectUnauthorized: false } } },
      { url: "https://origin.example", capabilities: ["pull", "resolve", "push"] },
    ]);
    expect(readHosts(at, "other.example")).toBeUndefined();
  });

  test("a directory without a colon in its name, the default one, and one that is none", () => {
    const at = hosts({ "example.com_5000_": "", _default: '[host."https://mirror.example"]' });
    expect(readHosts(at, "example.com:5000")).toHaveLength(1);
    expect(readHosts(at, "anything.example")?.map(({ url }) => url)).toEqual(["https://mirror.example", ""]);
    expect(readHosts(join(at, "nowhere"), "example.com")).toBeUndefined();
    expect(readHosts(at, "..")).toBeUndefined();
  });

  test.each([
    ["no TOML", "server = ", /hosts\.toml: /],
    ["a capability that is none", '[host."https://a"]\ncapabilities = ["fly"]', /capabilities/],
    ["a certificate that is not there", '[host."https://a"]\nca = "nope.crt"', /cannot read .*nope\.crt/],
    ["an address that is none", '[host."ftp://a"]', /no address of a registry/],
  ])("%s is an error that names the file", (_what, text, words) => {
    expect(() => readHosts(hosts({ "a.example": text }), "a.example")).toThrow(words);
  });
});

describe.skipIf(!root)("pulls by hosts.toml (as root)", () => {
  test("the first that can is asked, with its own headers; the registry's credentials stay with the registry", async () => {
    await using mirror = await FakeRegistry.start();
    await using ground = await Ground.open();
    const target = mirror.image("latest", [contents()]);
    const hostsDir = hosts({
      "registry.example": `server = "http://127.0.0.1:1"
[host."http://${mirror.address}"]
  [host."http://${mirror.address}".header]
    x-from = "hosts"
`,
    });
    const auth = { username: "user", password: "secret" };
    const image = await ground.pull("registry.example/team/app", { hostsDir, auth });
    expect(image).toMatchObject({ name: "registry.example/team/app:latest", target });
    expect(mirror.requests).toContain("HEAD /v2/team/app/manifests/latest?ns=registry.example");
    for (const headers of mirror.headers) {
      expect(headers["x-from"]).toBe("hosts");
      expect(headers.authorization).toBeUndefined();
    }
  });

  test("a host without `resolve` gives bytes only; one that lacks them is passed over", async () => {
    await using origin = await FakeRegistry.start();
    await using cache = await FakeRegistry.start();
    await using ground = await Ground.open();
    const [one, two] = [contents(), layer([{ name: "g" }])];
    origin.image("latest", [one, two]);
    cache.image("latest", [one]);
    cache.manifests.clear();
    const hostsDir = hosts({
      "registry.example": `server = "http://${origin.address}"
[host."http://${cache.address}"]
  capabilities = ["pull"]
`,
    });
    await ground.pull("registry.example/app", { hostsDir });
    expect(cache.requests.some((line) => line.startsWith("HEAD"))).toBe(false);
    // The manifest is what it was asked for first and did not have: from then on the registry is asked.
    expect(cache.requests.some((line) => line.includes("/manifests/"))).toBe(true);
    expect(origin.requests.some((line) => line.includes(digestOf(two.bytes)))).toBe(true);
  });

  test("override_path: the address is all of the path", async () => {
    await using mirror = await FakeRegistry.start();
    await using ground = await Ground.open();
    mirror.image("latest", [contents()]);
    mirror.bend = (request) => {
      request.url = request.url!.replace(/^\/custom\/api/, "/v2").replace(/\?.*$/, "");
      return false;
    };
    const hostsDir = hosts({
      "registry.example": `server = "http://127.0.0.1:1"
[host."http://${mirror.address}/custom/api"]
  override_path = true
`,
    });
    await ground.pull("registry.example/app", { hostsDir });
    expect(mirror.requests.every((line) => line.includes(" /custom/api/") && !line.includes("/v2/"))).toBe(
      true,
    );
  });

  test("nobody may be asked: said so, and nobody is", async () => {
    await using origin = await FakeRegistry.start();
    await using ground = await Ground.open();
    const hostsDir = hosts({
      [origin.address]: `server = "http://${origin.address}"\ncapabilities = ["push"]\n`,
    });
    await expect(ground.pull(`${origin.address}/app`, { hostsDir })).rejects.toThrow("no host may be asked");
    expect(origin.requests).toEqual([]);
  });
});

describe.skipIf(!root || !openssl)(`TLS${without}`, () => {
  const file = (name: string) => join(dir, name);
  beforeAll(async () => {
    const run = (...args: string[]) => must([openssl!, ...args]);
    const key = (name: string) => [
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      file(`${name}.key`),
    ];
    const ca = ["-CA", file("ca.crt"), "-CAkey", file("ca.key")];
    const subject = (name: string) => ["-subj", `/CN=${name}`, "-days", "2"];
    await run("req", "-x509", ...key("ca"), "-out", file("ca.crt"), ...subject("test authority"));
    await run(
      "req",
      "-x509",
      ...ca,
      ...key("server"),
      "-out",
      file("server.crt"),
      ...subject("localhost"),
      "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1",
      "-addext",
      "basicConstraints=critical,CA:FALSE",
    );
    await run(
      "req",
      "-x509",
      ...ca,
      ...key("client"),
      "-out",
      file("client.crt"),
      ...subject("a client"),
      "-addext",
      "basicConstraints=critical,CA:FALSE",
    );
    writeFileSync(
      file("client.pem"),
      readFileSync(file("client.crt"), "utf8") + readFileSync(file("client.key"), "utf8"),
    );
  });

  /** TLS in front of a registry; only clients with a certificate of the authority come through. */
  async function secure(registry: FakeRegistry) {
    const server = createServer(
      {
        key: readFileSync(file("server.key")),
        cert: readFileSync(file("server.crt")),
        ca: readFileSync(file("ca.crt")),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (socket) => {
        const [host, port] = registry.address.split(":");
        const inner = connect(Number(port), host);
        socket.on("error", () => inner.destroy());
        inner.on("error", () => socket.destroy());
        socket.pipe(inner).pipe(socket);
      },
    );
    server.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
      port: (server.address() as AddressInfo).port,
      [Symbol.dispose]: () => {
        server.close();
      },
    };
  }

  test.each([
    ["a pair of files", `client = [["CLIENT.crt", "CLIENT.key"]]`],
    ["one file with both", `client = "CLIENT.pem"`],
  ])("a client's certificate (%s) and the registry's authority", async (_what, client) => {
    await using registry = await FakeRegistry.start();
    using front = await secure(registry);
    await using ground = await Ground.open();
    const target = registry.image("latest", [contents()]);
    const certificate = client.replaceAll("CLIENT", file("client"));
    const hostsDir = hosts({
      "registry.example": `[host."https://127.0.0.1:${front.port}"]\nca = "${file("ca.crt")}"\n${certificate}\n`,
    });
    expect(await ground.pull("registry.example/app", { hostsDir })).toMatchObject({ target });
  });

  test("without the client's certificate nothing is had", async () => {
    await using registry = await FakeRegistry.start();
    using front = await secure(registry);
    await using ground = await Ground.open();
    registry.image("latest", [contents()]);
    const hostsDir = hosts({
      "registry.example": `server = "https://127.0.0.1:${front.port}"\nca = "${file("ca.crt")}"\n`,
    });
    await expect(ground.pull("registry.example/app", { hostsDir })).rejects.toThrow();
    expect(registry.requests).toEqual([]);
  });

  test("Docker's layout: certificates without a hosts.toml", () => {
    const at = join(dir, `hosts-${serial++}`);
    mkdirSync(join(at, "registry.example"), { recursive: true });
    for (const [from, to] of [
      ["ca.crt", "ca.crt"],
      ["client.crt", "client.cert"],
      ["client.key", "client.key"],
    ])
      writeFileSync(join(at, "registry.example", to!), readFileSync(file(from!)));
    expect(readHosts(at, "registry.example")).toMatchObject([
      { url: "", options: { tls: { ca: [readFileSync(file("ca.crt"), "utf8")], key: expect.any(String) } } },
    ]);
  });
});
