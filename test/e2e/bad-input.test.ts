// Bad input, end to end: a clear error each, nothing half-made left behind, and the daemon still serving.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Server } from "bun";
import { built, bunker } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { hostNetwork } from "../support/netns.ts";
import { must, run } from "../support/process.ts";
import { fakeRegistry } from "../support/registry-fake.ts";
import { tar } from "../support/tar.ts";

const why = built ? undefined : "dist/bunker is not built";

/** Everything below a directory that is not a directory. */
function files(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

const good = tar([
  { name: "bin/", type: "5" },
  { name: "bin/hello", content: "hello" },
]);
/** Eight MiB, of another letter each time: the engine keeps what it has of a broken download, and images share blobs. */
const big = (letter: string) =>
  tar([{ name: "big", content: new Uint8Array(8 << 20).fill(letter.charCodeAt(0)) }]);
const huge = tar([{ name: "huge", content: new Uint8Array(64 << 20).fill(0x62) }]);

/** Sends half of the bytes, then breaks the connection. */
const dies = (bytes: Uint8Array) =>
  new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(bytes.subarray(0, bytes.length >> 1));
      controller.error(new Error("the registry dies"));
    },
  });

describe.skipIf(why !== undefined)(why ? `bad input (skipped: ${why})` : "bad input", () => {
  let engine: Engine;
  let registry: Server<undefined>;
  let host = "";
  let outside = "";
  const containerd = () => join(engine.dataRoot, "containerd");
  const leftovers = () =>
    [
      ...files(join(containerd(), "io.containerd.content.v1.content", "ingest")).filter((file) =>
        file.endsWith("data"),
      ),
      ...readdirSync(join(containerd(), "io.containerd.snapshotter.v1.overlayfs", "snapshots")),
    ].sort();
  const inImage = (name: string) => `${host}/${name}`;

  beforeAll(async () => {
    outside = mkdtempSync(join(tmpdir(), "bunker-outside-"));
    engine = await startEngine(hostNetwork, { args: ["--bridge=none", "--max-download-attempts=2"] });
    registry = fakeRegistry({
      good: { layer: good },
      dotdot: { layer: tar([{ name: `../../../../../../../../../..${outside}/escaped`, content: "x" }]) },
      absolute: {
        layer: tar([
          { name: "link", type: "2", link: outside },
          { name: "link/escaped", content: "x" },
        ]),
      },
      hardlink: {
        layer: tar([{ name: "passwd", type: "1", link: "../../../../../../../../../../etc/passwd" }]),
      },
      truncated: { layer: big("t"), send: (bytes) => bytes.subarray(0, bytes.length - 1000) },
      wrong: { layer: big("w"), send: (bytes) => Buffer.from(bytes).fill(0x7a, 1000, 2000) },
      wrongdiff: { layer: good, diffId: `sha256:${"0".repeat(64)}` },
      dies: { layer: big("d"), send: dies },
      huge: { layer: huge },
    });
    host = `127.0.0.1:${registry.port}`;
  }, 60_000);

  afterAll(async () => {
    await registry?.stop(true);
    await engine?.[Symbol.asyncDispose]();
    rmSync(outside, { recursive: true, force: true });
  }, 60_000);

  afterEach(async () => {
    // Whatever was refused, the daemon still does its work.
    expect((await engine.docker(["version", "--format", "{{.Server.Version}}"])).code).toBe(0);
  });

  test("an unknown image", async () => {
    const { code, stderr } = await engine.docker(["run", "--rm", inImage("nowhere"), "true"]);
    expect(code).toBe(125);
    expect(stderr).toMatch(/manifest for .*nowhere:latest not found: manifest unknown/);
    const closed = await engine.docker(["pull", "127.0.0.1:1/x"]);
    expect(closed.code).toBe(1);
    expect(closed.stderr).toMatch(/connection refused/);
    const invalid = await engine.docker(["pull", "Busybox"]);
    expect(invalid.code).toBe(1);
    expect(invalid.stderr).toMatch(
      /invalid reference format: repository name \(library\/Busybox\) must be lowercase/,
    );
  });

  test.each([
    ["truncated", /unexpected EOF|short|truncated|size/i],
    ["wrong", /digest|verif/i],
    ["wrongdiff", /diff ?id/i],
    ["dies", /EOF|reset|closed|connection|fail/i],
  ])(
    "a layer that is %s",
    async (name, message) => {
      const before = leftovers();
      const { code, stderr, stdout } = await engine.docker(["pull", inImage(name)], { deadline: 110_000 });
      expect({ name, code, stdout, stderr }).toMatchObject({ code: 1 });
      expect(stderr).toMatch(message);
      expect((await engine.docker(["images", "-q", inImage(name)])).stdout).toBe("");
      expect(leftovers().filter((one) => !before.includes(one) && !one.endsWith("/data"))).toEqual([]);
    },
    120_000,
  );

  test.each(["dotdot", "absolute", "hardlink"])("a layer that reaches outside: %s", async (name) => {
    const { code, stderr } = await engine.docker(["pull", inImage(name)]);
    // Refused, or confined to the image's own root: never outside.
    if (code !== 0) expect(stderr).toMatch(/invalid|escap|outside|breakout|no such file/i);
    expect(readdirSync(outside)).toEqual([]);
    await engine.docker(["rmi", "-f", inImage(name)]);
  });

  test("a good image after all that", async () => {
    expect((await engine.docker(["pull", "-q", inImage("good")])).code).toBe(0);
  });

  test("an invalid config.json is refused by the runtime, naming the field, and leaves no state", async () => {
    const bundle = join(engine.dir, "bundle");
    mkdirSync(join(bundle, "rootfs"), { recursive: true });
    const root = join(engine.dir, "runc");
    for (const [config, message] of [
      ["{ not json", /config\.json/],
      [JSON.stringify({ ociVersion: "1.0.2" }), /root|process/],
      [
        JSON.stringify({
          ociVersion: "1.0.2",
          root: { path: "rootfs" },
          process: { cwd: "/", args: "not a list", user: { uid: 0, gid: 0 } },
        }),
        /process\.args/,
      ],
      [
        JSON.stringify({
          ociVersion: "1.0.2",
          root: { path: "rootfs" },
          process: { cwd: "/", args: ["sh"], user: { uid: 0, gid: 0 } },
          linux: { namespaces: [{ type: "imaginary" }] },
        }),
        /namespace/,
      ],
    ] as const) {
      writeFileSync(join(bundle, "config.json"), config);
      const { code, stderr } = await run([bunker, "runc", "--root", root, "run", "-b", bundle, "bad"]);
      expect(code).toBe(1);
      expect(stderr).toMatch(message);
      expect(existsSync(join(root, "bad"))).toBe(false);
    }
  });
});

describe.skipIf(why !== undefined)(why ? `a full disk (skipped: ${why})` : "a full disk", () => {
  test("pull says so, leaves nothing, and serves on", async () => {
    const mount = mkdtempSync(join(tmpdir(), "bunker-small-"));
    await must(["mount", "-t", "tmpfs", "-o", "size=24m", "bunker-small", mount]);
    const registry = fakeRegistry({ huge: { layer: huge }, good: { layer: good } });
    try {
      await using engine = await startEngine(hostNetwork, {
        args: ["--bridge=none"],
        dataRoot: join(mount, "data"),
      });
      const free = () => statfsSync(mount).bavail;
      const before = free();
      const { code, stderr } = await engine.docker(["pull", `127.0.0.1:${registry.port}/huge`]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/no space left on device/);
      expect((await engine.docker(["pull", "-q", `127.0.0.1:${registry.port}/good`])).code).toBe(0);
      // All but a few pages (the database's log) came back.
      expect(before - free()).toBeLessThan(2000);
    } finally {
      await registry.stop(true);
      await must(["umount", mount]);
      rmSync(mount, { recursive: true });
    }
  }, 60_000);
});
