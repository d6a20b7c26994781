// Whole pulls from a registry that behaves: what is fetched, in which order, and what holds it afterwards.
import { describe, expect, test } from "bun:test";
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chainIds, MediaType } from "../../src/spec/oci/image.ts";
import type { TransferProgress } from "../../src/wire/containerd/services.ts";
import { cut, digestOf, FakeRegistry, layer } from "./fake-registry.ts";
import { Ground, NS } from "./ground.ts";

const root = process.getuid?.() === 0;
const big = (seed: string) => seed.repeat(200_000);

const layers = () => [
  layer([{ name: "etc/" }, { name: "etc/one", data: big("one") }, { name: "gone", data: "x" }]),
  layer([{ name: "etc/two", data: big("two") }, { name: ".wh.gone" }], "zstd"),
  layer([{ name: "etc/three", data: big("three") }], "none"),
];

describe.skipIf(!root)("a pull (as root)", () => {
  for (const store of [false, true]) {
    test(`brings layers, labels and the record${store ? ", through the store" : ", in one pass"}`, async () => {
      await using registry = await FakeRegistry.start();
      await using ground = await Ground.open({ store });
      const all = layers();
      const target = registry.image("latest", all);
      const image = await ground.pull(`${registry.address}/a/b`);
      expect(image).toMatchObject({ name: `${registry.address}/a/b:latest`, target });
      const chain = chainIds(all.map(({ tar }) => digestOf(tar)));
      const [one, two, three] = [
        await ground.directory(chain[0]!),
        await ground.directory(chain[1]!),
        await ground.directory(chain[2]!),
      ];
      expect(readFileSync(join(one, "etc/one"), "utf8")).toBe(big("one"));
      expect(readFileSync(join(two, "etc/two"), "utf8")).toBe(big("two"));
      expect(readFileSync(join(three, "etc/three"), "utf8")).toBe(big("three"));
      expect(lstatSync(join(two, "gone")).isCharacterDevice()).toBe(true);
      expect(existsSync(join(three, "gone"))).toBe(false);
      const { content } = ground.services;
      const manifest = JSON.parse(registry.manifests.get("latest")!.bytes.toString());
      expect((await content.info(NS, target.digest)).labels).toEqual({
        [`containerd.io/distribution.source.${registry.address}`]: "a/b",
        "containerd.io/gc.ref.content.config": manifest.config.digest,
        "containerd.io/gc.ref.content.l.0": digestOf(all[0]!.bytes),
        "containerd.io/gc.ref.content.l.1": digestOf(all[1]!.bytes),
        "containerd.io/gc.ref.content.l.2": digestOf(all[2]!.bytes),
      });
      expect((await content.info(NS, manifest.config.digest)).labels).toMatchObject({
        "containerd.io/gc.ref.snapshot.overlayfs": chain[2],
      });
      expect((await content.info(NS, digestOf(all[1]!.bytes))).labels).toMatchObject({
        "containerd.io/uncompressed": digestOf(all[1]!.tar),
      });
      expect(await ground.leftovers()).toEqual([]);
      // What the collector thinks of it: everything is held by the record.
      const before = (await content.list(NS)).length;
      await ground.services.leases.create(NS, "sweep");
      await ground.services.leases.delete(NS, "sweep", { sync: true });
      expect((await content.list(NS)).length).toBe(before);
      expect((await ground.services.snapshots.snapshotter("").list(NS)).length).toBe(3);
    });
  }

  test("what is there already is not fetched again", async () => {
    await using registry = await FakeRegistry.start();
    await using ground = await Ground.open();
    const [base, top, other] = layers();
    registry.image("one", [base!, top!]);
    registry.image("two", [base!, other!]);
    await ground.pull(`${registry.address}/x:one`);
    registry.requests.length = 0;
    const events: TransferProgress[] = [];
    await ground.pull(`${registry.address}/x:two`, {}, (event) => events.push(event));
    expect(registry.requests.filter((line) => line.includes(digestOf(base!.bytes)))).toEqual([]);
    expect(events.filter(({ id }) => id === digestOf(base!.bytes)).map(({ event }) => event)).toEqual([
      "exists",
    ]);
    registry.requests.length = 0;
    await ground.pull(`${registry.address}/x:two`);
    expect(registry.requests).toEqual(["GET /v2/", "HEAD /v2/x/manifests/two"]);
  });

  test("progress: each layer waits, comes in byte by byte, is unpacked", async () => {
    await using registry = await FakeRegistry.start();
    await using ground = await Ground.open();
    const one = layer([{ name: "f", data: big("x") }], "none");
    registry.image("latest", [one]);
    const events: TransferProgress[] = [];
    await ground.pull(`${registry.address}/x`, {}, (event) => events.push(event));
    const mine = events.filter(({ id }) => id === digestOf(one.bytes));
    expect(mine.map(({ event }) => event).filter((event, i, all) => event !== all[i - 1])).toEqual([
      "waiting",
      "downloading",
      "verifying",
      "downloaded",
      "extracting",
      "complete",
    ]);
    expect(mine.findLast(({ event }) => event === "downloading")).toMatchObject({
      progress: one.bytes.length,
      total: one.bytes.length,
    });
    expect([events[0]?.event, events.at(-1)?.event]).toEqual(["resolved", "done"]);
  });

  test("Docker's schema 2, a manifest list, a platform, a digest", async () => {
    await using registry = await FakeRegistry.start();
    await using ground = await Ground.open();
    const mine = registry.image(undefined, [layer([{ name: "mine" }])], { docker: true });
    const theirs = registry.image(undefined, [layer([{ name: "theirs" }])], {
      docker: true,
      config: { architecture: "s390x" },
    });
    const architecture = process.arch === "arm64" ? "arm64" : "amd64";
    const list = registry.document(
      {
        schemaVersion: 2,
        mediaType: MediaType.dockerManifestList,
        manifests: [
          { ...theirs, platform: { os: "linux", architecture: "s390x" } },
          { ...mine, platform: { os: "linux", architecture } },
        ],
      },
      MediaType.dockerManifestList,
      "latest",
    );
    const { target } = await ground.pull(`${registry.address}/x`);
    expect(target).toEqual(list);
    expect(await ground.services.content.info(NS, mine.digest)).toBeDefined();
    await expect(ground.services.content.info(NS, theirs.digest)).rejects.toThrow("not found");
    const foreign = await ground.pull(`${registry.address}/x@${list.digest}`, {
      platform: { os: "linux", architecture: "s390x" },
    });
    expect(foreign.target).toEqual(list);
    expect(await ground.services.content.info(NS, theirs.digest)).toBeDefined();
    await expect(
      ground.pull(`${registry.address}/x`, { platform: { os: "linux", architecture: "riscv64" } }),
    ).rejects.toThrow("no matching manifest for linux/riscv64 in the manifest list entries");
    await expect(
      ground.pull(`${registry.address}/x@${mine.digest}`, {
        platform: { os: "linux", architecture: "s390x" },
      }),
    ).rejects.toThrow("does not match the specified platform (linux/s390x)");
  });

  test("an image without unpacking", async () => {
    await using registry = await FakeRegistry.start();
    await using ground = await Ground.open();
    registry.image("latest", layers());
    await ground.pull(`${registry.address}/x`, { unpack: false });
    expect(await ground.services.snapshots.snapshotter("").list(NS)).toEqual([]);
    expect((await ground.services.content.list(NS)).length).toBe(5);
    await ground.pull(`${registry.address}/x`);
    expect((await ground.services.snapshots.snapshotter("").list(NS)).length).toBe(3);
  });

  test("the same layer twice", async () => {
    await using registry = await FakeRegistry.start();
    await using ground = await Ground.open();
    const same = layer([{ name: "f", data: big("x") }]);
    registry.image("latest", [same, same, same]);
    await ground.pull(`${registry.address}/x`);
    expect((await ground.services.snapshots.snapshotter("").list(NS)).length).toBe(3);
    expect(
      registry.requests.filter((line) => line.includes("blobs") && line.includes(digestOf(same.bytes))),
    ).toHaveLength(1);
  });

  test("two pulls of one image become one; the one that leaves does not end the other", async () => {
    await using registry = await FakeRegistry.start();
    await using ground = await Ground.open();
    registry.image("latest", layers());
    const leaving = new AbortController();
    let joined: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      joined = resolve;
    });
    registry.bend = (request, response) => {
      if (!request.url?.includes("/blobs/")) return;
      const bytes = registry.blobs.get(request.url.split("/").at(-1)!)!;
      void gate.then(() => registry.send(request, response, bytes, "x/y"));
      return true;
    };
    const first = ground.pull(`${registry.address}/x`, { signal: leaving.signal });
    const second = ground.pull(`${registry.address}/x`);
    leaving.abort();
    await expect(first).rejects.toMatchObject({ code: "Canceled" });
    joined();
    await second;
    await first.catch(() => {});
    expect(registry.requests.filter((line) => line.startsWith("HEAD"))).toHaveLength(1);
    expect(await ground.leftovers()).toEqual([]);
  });

  test("two images with a common layer fetch it once", async () => {
    await using registry = await FakeRegistry.start();
    await using ground = await Ground.open();
    const [base, top, other] = layers();
    registry.image("one", [base!, top!]);
    registry.image("two", [base!, other!]);
    await Promise.all([ground.pull(`${registry.address}/x:one`), ground.pull(`${registry.address}/y:two`)]);
    expect(registry.requests.filter((line) => line.includes(digestOf(base!.bytes)))).toHaveLength(1);
    expect((await ground.services.snapshots.snapshotter("").list(NS)).length).toBe(3);
  });

  test("a broken connection is resumed where it broke", async () => {
    await using registry = await FakeRegistry.start();
    await using ground = await Ground.open();
    const one = layer([{ name: "f", data: big("random enough") }], "none");
    registry.image("latest", [one]);
    let cuts = 0;
    registry.bend = (request, response) => {
      if (!request.url?.includes(digestOf(one.bytes)) || cuts >= 3) return;
      cuts++;
      cut(request, response, one.bytes, 500_000);
      return true;
    };
    await ground.pull(`${registry.address}/x`);
    const gets = registry.requests.filter((line) => line.includes(digestOf(one.bytes)));
    expect(gets.length).toBe(4);
    expect(gets.slice(1).every((line) => / bytes=[1-9][0-9]*-$/.test(line))).toBe(true);
    expect(await ground.leftovers()).toEqual([]);
  });

  test("a registry without ranges is read again from the start", async () => {
    await using registry = await FakeRegistry.start();
    await using ground = await Ground.open();
    const one = layer([{ name: "f", data: big("random enough") }], "none");
    registry.image("latest", [one]);
    let first = true;
    registry.bend = (request, response) => {
      if (!request.url?.includes(digestOf(one.bytes))) return;
      delete request.headers.range;
      if (!first) return;
      first = false;
      cut(request, response, one.bytes, 700_000);
      return true;
    };
    await ground.pull(`${registry.address}/x`);
    expect(await ground.leftovers()).toEqual([]);
  });

  test("a cancelled pull is resumed by the next one, also of another process", async () => {
    await using registry = await FakeRegistry.start();
    const [whole, half] = [
      layer([{ name: "a", data: big("a") }], "none"),
      layer([{ name: "b", data: big("b") }], "none"),
    ];
    registry.image("latest", [whole, half]);
    const cancel = new AbortController();
    const halfDigest = digestOf(half.bytes);
    registry.bend = (request, response) => {
      if (!request.url?.includes(halfDigest)) return;
      // Half of it, and then silence.
      response.writeHead(200, { "content-length": half.bytes.length });
      response.write(half.bytes.subarray(0, 100_000));
      return true;
    };
    let dir: string;
    {
      const ground = await Ground.open();
      dir = ground.dir;
      let wholeIn = false;
      let halfIn = false;
      const pull = ground.pull(
        `${registry.address}/x`,
        { signal: cancel.signal },
        ({ event, id, progress }) => {
          wholeIn ||= event === "complete" && id === digestOf(whole.bytes);
          halfIn ||= event === "downloading" && id === halfDigest && (progress ?? 0) > 0;
          if (wholeIn && halfIn) cancel.abort();
        },
      );
      await expect(pull).rejects.toMatchObject({ code: "Canceled", message: "context canceled" });
      await pull.catch(() => {});
      const left = await ground.leftovers();
      expect(left).toHaveLength(1);
      expect(left[0]).toStartWith("lease pull-kept-");
      await ground.containerd.close();
    }
    await using ground = await Ground.open({ dir });
    registry.bend = () => undefined;
    registry.requests.length = 0;
    await ground.pull(`${registry.address}/x`);
    expect(registry.requests.filter((line) => line.includes("/blobs/"))).toEqual([
      expect.stringMatching(new RegExp(`blobs/${halfDigest} bytes=[1-9][0-9]*-$`)),
    ]);
    expect(await ground.leftovers()).toEqual([]);
  });
});

describe.skipIf(!root)("the image in this binary (as root)", () => {
  test("is pulled like any other, with the same digest every time", async () => {
    await using ground = await Ground.open();
    const image = await ground.pull("bunker.internal/hello:latest");
    const again = await ground.pull("bunker.internal/hello");
    expect(again.target).toEqual(image.target);
    const snapshots = await ground.services.snapshots.snapshotter("").list(NS);
    expect(snapshots).toHaveLength(1);
    const program = join(await ground.directory(snapshots[0]!.name), "hello");
    const run = Bun.spawnSync([program], { env: {}, stdout: "pipe" });
    expect(run.exitCode).toBe(0);
    expect(run.stdout.toString()).toContain("Hello from Bunker!");
    await expect(ground.pull("bunker.internal/nope")).rejects.toThrow(
      "repository bunker.internal/nope not found",
    );
    await expect(ground.pull("bunker.internal/hello:2")).rejects.toThrow(
      "manifest for bunker.internal/hello:2 not found: manifest unknown: manifest unknown",
    );
    expect(await ground.leftovers()).toEqual([]);
  });
});
