// Images out of the store into an archive and back, in process and over gRPC; skopeo reads what we write and we what it writes.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MediaType } from "../../src/spec/oci/image.ts";
import { connect } from "../../src/wire/containerd/client/connect.ts";
import type { Transfer, TransferProgress } from "../../src/wire/containerd/services.ts";
import { chunked, sh, tarOf } from "../diff/support.ts";
import { FakeRegistry, layer } from "./fake-registry.ts";
import { Ground, NS } from "./ground.ts";

const one = layer([{ name: "etc/" }, { name: "etc/name", data: "one" }]);
const two = layer([{ name: "usr/" }, { name: "usr/two", data: "x".repeat(100_000) }], "zstd");
const skopeo = existsSync("/usr/bin/skopeo");

describe("archives", () => {
  let ground: Ground;
  let origin: FakeRegistry;
  let name: string;
  beforeAll(async () => {
    ground = await Ground.open();
    origin = await FakeRegistry.start();
    origin.image("v1", [one, two]);
    origin.image("docker", [one], { docker: true });
    name = `${origin.address}/team/box:v1`;
    await ground.pull(name);
    await ground.pull(`${origin.address}/team/box:docker`);
  });
  afterAll(async () => {
    await origin?.[Symbol.asyncDispose]();
    await ground?.[Symbol.asyncDispose]();
  });
  const bytesOf = async (transfer: Transfer, ...images: string[]) =>
    Buffer.concat(await Array.fromAsync(transfer.export(NS, { images })));

  for (const how of ["in process", "over gRPC"]) {
    test(`what is exported is imported as it was, ${how}`, async () => {
      await using other = await Ground.open();
      const archive = await bytesOf(ground.transfer, name, `${origin.address}/team/box:docker`);
      // The same images make the same archive.
      expect(archive.equals(await bytesOf(ground.transfer, name, `${origin.address}/team/box:docker`))).toBe(
        true,
      );
      let { transfer, services } = other;
      let close = async () => {};
      if (how === "over gRPC") {
        await other.containerd.serve(join(other.dir, "c.sock"));
        const client = await connect(join(other.dir, "c.sock"));
        ({ transfer } = client.services);
        services = client.services;
        close = () => client.close();
      }
      const seen: TransferProgress[] = [];
      const made = await transfer.import(NS, chunked(archive, 70_000), {}, (progress) => seen.push(progress));
      const before = await ground.services.images.list(NS);
      expect(made.map((image) => [image.name, image.target]).sort()).toEqual(
        before.map((image) => [image.name, image.target]).sort(),
      );
      expect(seen.filter(({ event }) => event === "saved")).toHaveLength(2);
      // Unpacked, held by the records alone, and the same again on the way out.
      expect(await services.snapshots.snapshotter("").list(NS)).toHaveLength(2);
      expect(await other.leftovers()).toEqual([]);
      expect((await bytesOf(transfer, name, `${origin.address}/team/box:docker`)).equals(archive)).toBe(true);
      await close();
    });
  }

  test("a docker-archive of old: layers by path, links among them", async () => {
    await using other = await Ground.open();
    const config = JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      rootfs: {
        type: "layers",
        diff_ids: [one, one].map(
          ({ tar }) => `sha256:${new Bun.CryptoHasher("sha256").update(tar).digest("hex")}`,
        ),
      },
    });
    const manifest = [
      { Config: "abc.json", RepoTags: ["old/box:1", "old/box:2"], Layers: ["a/layer.tar", "b/layer.tar"] },
    ];
    const archive = tarOf(
      { name: "manifest.json", data: JSON.stringify(manifest) },
      { name: "b/layer.tar", link: "../a/layer.tar" },
      { name: "a/VERSION", data: "1.0" },
      { name: "a/layer.tar", data: Buffer.from(one.tar).toString("latin1") },
      { name: "abc.json", data: config },
    );
    const made = await other.transfer.import(NS, chunked(archive));
    expect(made.map((image) => image.name)).toEqual(["docker.io/old/box:1", "docker.io/old/box:2"]);
    expect(made[0]!.target.mediaType).toBe(MediaType.dockerManifest);
    expect(await other.services.snapshots.snapshotter("").list(NS)).toHaveLength(2);
    expect(await other.leftovers()).toEqual([]);
  });

  test("bare tags and nameless images", async () => {
    await using other = await Ground.open();
    const archive = await bytesOf(ground.transfer, name);
    const text = archive
      .toString("latin1")
      .replaceAll("io.containerd.image.name", "io.containerd.image.nope");
    const bare = Buffer.from(text, "latin1");
    await expect(other.transfer.import(NS, chunked(bare))).rejects.toMatchObject({ code: "InvalidArgument" });
    expect(await other.leftovers()).toEqual([]);
    const [based] = await other.transfer.import(NS, chunked(bare), { baseName: "docker.io/me/box" });
    expect(based!.name).toBe("docker.io/me/box:v1");
    const [digest] = await other.transfer.import(NS, chunked(bare), { digests: true });
    expect(digest!.name).toBe(`import@${digest!.target.digest}`);
  });

  test("what is no archive, or a damaged one, is refused and leaves nothing", async () => {
    await using other = await Ground.open();
    const good = await bytesOf(ground.transfer, name);
    const refused = async (bytes: Uint8Array) => {
      await expect(other.transfer.import(NS, chunked(bytes))).rejects.toMatchObject({
        code: "InvalidArgument",
        message: expect.stringContaining("archive"),
      });
      expect(await other.services.images.list(NS)).toEqual([]);
      expect(await other.leftovers()).toEqual([]);
    };
    await refused(Buffer.from("hello"));
    await refused(tarOf({ name: "x", data: "y" }));
    const damaged = Buffer.from(good);
    damaged[damaged.indexOf("diff_ids")] = 0x44;
    await refused(damaged);
    await refused(tarOf({ name: "manifest.json", data: `[{"Config":"../../etc/passwd","Layers":[]}]` }));
    await expect(bytesOf(ground.transfer, "docker.io/library/nope:1")).rejects.toMatchObject({
      code: "NotFound",
    });
  });

  test.skipIf(!skopeo)(`skopeo reads ours, we read skopeo's${skopeo ? "" : " (needs skopeo)"}`, async () => {
    await using other = await Ground.open();
    const docker = `${origin.address}/team/box:docker`;
    const [ours, theirs] = [join(other.dir, "ours.tar"), join(other.dir, "theirs.tar")];
    writeFileSync(ours, await bytesOf(ground.transfer, docker));
    const policy = ["skopeo", "--insecure-policy", `--tmpdir=${other.dir}`];
    const inspected = JSON.parse(sh([...policy, "inspect", `docker-archive:${ours}:${docker}`]));
    expect(inspected.Layers).toHaveLength(1);
    sh([...policy, "copy", "-q", `oci-archive:${ours}`, `docker-archive:${theirs}:team/copy:9`]);
    const [made] = await other.transfer.import(NS, Bun.file(theirs).stream());
    expect(made!.name).toBe("docker.io/team/copy:9");
    expect(await other.services.snapshots.snapshotter("").list(NS)).toHaveLength(1);
  });
});
