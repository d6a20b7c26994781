// Against Debian's docker-registry, with images that skopeo pushed: both manifest kinds, a manifest list, zstd layers; and
// what we unpack is what umoci unpacks.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { MediaType } from "../../src/spec/oci/image.ts";
import { hardLinks, listing, type Member, sh, tarOf } from "../diff/support.ts";
import { digestOf } from "./fake-registry.ts";
import { Ground, NS } from "./ground.ts";

const missing = ["/usr/bin/docker-registry", "/usr/bin/skopeo", "/usr/bin/umoci", "/bin/busybox"].filter(
  (path) => !existsSync(path),
);
const skip =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : undefined;

const architecture = process.arch === "arm64" ? "arm64" : "amd64";

/** An OCI layout with one image: busybox under some names, and files that are easy to get wrong. */
function writeLayout(at: string, compressed = true): void {
  const members: Member[] = [
    { name: "bin/" },
    { name: "bin/busybox", data: readFileSync("/bin/busybox").toString("latin1"), mode: 0o755 },
    { name: "bin/sh", type: "link", link: "bin/busybox", mode: 0o755 },
    { name: "bin/true", type: "link", link: "bin/busybox", mode: 0o755 },
    { name: "tmp/", mode: 0o1777 },
    { name: "usr/", mtime: 1_000_000_000 },
    { name: "usr/bin/", mode: 0o2755, uid: 3, gid: 4, mtime: 1_100_000_000 },
    { name: "usr/bin/env", link: "../../bin/busybox" },
    { name: "usr/bin/su", data: "x", mode: 0o4755, uid: 0, gid: 42 },
    { name: "etc/owner", data: "x", mode: 0o600, uid: 100_000, gid: 200_000 },
    {
      name: "etc/ünïcödé-and-a-rather-long-name-that-does-not-fit-into-the-hundred-bytes-of-the-old-header-of-a-tar-archive",
      data: "x",
    },
  ];
  const tar = tarOf(
    ...members.map((member) => (member.name === "bin/busybox" ? { ...member, data: "" } : member)),
  );
  // The binary goes in as bytes, not as UTF-8.
  const program = readFileSync("/bin/busybox");
  const header = Buffer.from(tar.subarray(512, 1024));
  header.write(program.length.toString(8).padStart(11, "0"), 124, "latin1");
  let sum = 8 * 32;
  for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += header[i]!;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  const whole = Buffer.concat([
    tar.subarray(0, 512),
    header,
    program,
    Buffer.alloc((512 - (program.length % 512)) % 512),
    tar.subarray(1024),
  ]);
  const blobs = join(at, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const add = (bytes: Uint8Array, mediaType: string) => {
    const digest = digestOf(bytes);
    writeFileSync(join(blobs, digest.slice(7)), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const config = add(
    json({
      architecture,
      os: "linux",
      config: { Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: [digestOf(whole)] },
      history: [{ created_by: "test" }],
    }),
    MediaType.config,
  );
  const manifest = add(
    json({
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      config,
      layers: [compressed ? add(gzipSync(whole), MediaType.layerGzip) : add(whole, MediaType.layer)],
    }),
    MediaType.manifest,
  );
  writeFileSync(join(at, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`);
  writeFileSync(
    join(at, "index.json"),
    json({
      schemaVersion: 2,
      manifests: [{ ...manifest, annotations: { "org.opencontainers.image.ref.name": "latest" } }],
    }),
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as { port: number };
  await new Promise<void>((closed) => server.close(() => closed()));
  return port;
}

describe.skipIf(skip !== undefined)(`docker-registry${skip ? ` (${skip})` : ""}`, () => {
  let dir: string;
  let address: string;
  let child: Bun.Subprocess;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "bunker-registry-"));
    address = `127.0.0.1:${await freePort()}`;
    writeLayout(join(dir, "layout"));
    // skopeo compresses only what is not compressed yet.
    writeLayout(join(dir, "plain"), false);
    writeFileSync(
      join(dir, "config.yml"),
      `version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: ${dir}/data}}\nhttp: {addr: "${address}", secret: test}\n`,
    );
    child = Bun.spawn(["docker-registry", "serve", join(dir, "config.yml")], {
      env: { PATH: "/usr/bin:/bin" },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    for (const deadline = Date.now() + 20_000; ; ) {
      if (
        await fetch(`http://${address}/v2/`).then(
          (answer) => answer.ok,
          () => false,
        )
      )
        break;
      if (Date.now() > deadline || child.exitCode !== null) throw new Error("docker-registry did not start");
      await Bun.sleep(20);
    }
    const copy = (layout: string, tag: string, ...options: string[]) =>
      sh([
        "skopeo",
        "--insecure-policy",
        `--tmpdir=${dir}`,
        "copy",
        "-q",
        "--dest-tls-verify=false",
        ...options,
        `oci:${dir}/${layout}:latest`,
        `docker://${address}/box:${tag}`,
      ]);
    copy("layout", "oci", "--format", "oci");
    copy("layout", "v2s2", "--format", "v2s2");
    copy("plain", "zstd", "--format", "oci", "--dest-compress-format", "zstd");
    const zstd = await fetch(`http://${address}/v2/box/manifests/zstd`, {
      headers: { accept: MediaType.manifest },
    });
    if (!(await zstd.text()).includes("+zstd")) throw new Error("skopeo did not push a zstd layer");
    const manifest = await fetch(`http://${address}/v2/box/manifests/v2s2`, {
      headers: { accept: MediaType.dockerManifest },
    });
    const bytes = new Uint8Array(await manifest.arrayBuffer());
    const entry = { mediaType: MediaType.dockerManifest, digest: digestOf(bytes), size: bytes.length };
    const put = await fetch(`http://${address}/v2/box/manifests/list`, {
      method: "PUT",
      headers: { "content-type": MediaType.dockerManifestList },
      body: JSON.stringify({
        schemaVersion: 2,
        mediaType: MediaType.dockerManifestList,
        manifests: [
          { ...entry, platform: { os: "linux", architecture: "s390x" } },
          { ...entry, platform: { os: "linux", architecture } },
        ],
      }),
    });
    if (!put.ok) throw new Error(`the registry took no manifest list: ${await put.text()}`);
  }, 60_000);

  afterAll(async () => {
    child?.kill("SIGKILL");
    await child?.exited;
    if (dir) rmSync(dir, { recursive: true, force: true });
  });

  for (const tag of ["oci", "v2s2", "zstd", "list"]) {
    test(`${tag}: the same tree as umoci unpacks`, async () => {
      await using ground = await Ground.open();
      await ground.pull(`${address}/box:${tag}`);
      const [snapshot] = await ground.services.snapshots.snapshotter("").list(NS);
      const ours = await ground.directory(snapshot!.name);
      const theirs = join(dir, `umoci-${tag}`);
      sh(["umoci", "raw", "unpack", "--image", `${dir}/layout:latest`, theirs]);
      // Directories that no entry names have whatever time it was.
      const named = (line: string) => !line.startsWith("etc|d|");
      expect(listing(ours).filter(named)).toEqual(listing(theirs).filter(named));
      expect(hardLinks(ours)).toEqual(hardLinks(theirs));
      expect(sh(["diff", "-r", "--no-dereference", ours, theirs])).toBe("");
      expect(Bun.spawnSync([join(ours, "bin", "true")], { env: {} }).exitCode).toBeLessThan(128);
      expect(await ground.leftovers()).toEqual([]);
    });
  }

  test("all four tags share one snapshot", async () => {
    await using ground = await Ground.open();
    for (const tag of ["oci", "v2s2", "zstd", "list"]) await ground.pull(`${address}/box:${tag}`);
    expect(await ground.services.snapshots.snapshotter("").list(NS)).toHaveLength(1);
    expect(await ground.services.images.list(NS)).toHaveLength(4);
  });

  for (const tag of ["oci", "v2s2", "zstd"]) {
    test(`${tag}: pushed to another repository, it is the same image to skopeo`, async () => {
      await using ground = await Ground.open();
      await ground.pull(`${address}/box:${tag}`);
      const image = `${address}/box:${tag}`;
      const { digest } = await ground.transfer.push(NS, { image, reference: `${address}/copy/${tag}:new` });
      // Without a source to mount from, the bytes go over.
      for (const { digest: blob } of await ground.services.content.list(NS)) {
        await ground.services.content.update(NS, { digest: blob, labels: {} }, [
          `labels.containerd.io/distribution.source.${address}`,
        ]);
      }
      await ground.transfer.push(NS, { image, reference: `${address}/upload/${tag}:new` });
      for (const repository of ["copy", "upload"]) {
        const seen = sh([
          "skopeo",
          "inspect",
          "--tls-verify=false",
          `docker://${address}/${repository}/${tag}:new`,
        ]);
        expect(JSON.parse(seen).Digest).toBe(digest);
      }
    });
  }

  test("a tag and a repository that are not there", async () => {
    await using ground = await Ground.open();
    await expect(ground.pull(`${address}/box:nope`)).rejects.toMatchObject({
      code: "NotFound",
      message: `manifest for ${address}/box:nope not found: manifest unknown: manifest unknown`,
    });
    await expect(ground.pull(`${address}/nope`)).rejects.toMatchObject({ code: "NotFound" });
  });
});
