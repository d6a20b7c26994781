// `bunker system verify`: what it finds of an unpacked layer that was damaged, and what --repair makes of it.
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { AT_FDCWD } from "../../ffi/constants/fcntl.ts";
import { setAttribute } from "../../ffi/tree.ts";
import { tableOf } from "../../src/roles/containerd/snapshots/table.ts";
import { main } from "../../src/roles/containerd/verify/main.ts";
import { verify } from "../../src/roles/containerd/verify/verify.ts";
import { chainIds } from "../../src/spec/oci/image.ts";
import { differences, readTree } from "../support/tree.ts";
import { digestOf, FakeRegistry, layer } from "./fake-registry.ts";
import { Ground } from "./ground.ts";

const root = process.getuid?.() === 0;

const base = () =>
  layer([
    { name: "etc/", mode: 0o755 },
    { name: "etc/passwd", data: "root:x:0:0\n".repeat(20_000), mode: 0o644 },
    { name: "etc/shadow", data: "secret", mode: 0o640 },
    { name: "etc/link", type: "symlink", link: "passwd" },
    { name: "bin/", mode: 0o755 },
    { name: "bin/su", data: "su", mode: 0o4755 },
    { name: "bin/other", type: "link", link: "bin/su", mode: 0o4755 },
    { name: "bin/third", type: "link", link: "bin/su", mode: 0o4755 },
    { name: "empty", data: "" },
  ]);
const top = () =>
  layer(
    [{ name: "usr/share/doc/text", data: "words" }, { name: "etc/.wh.shadow" }, { name: "bin/.wh..wh..opq" }],
    "zstd",
  );

class Pulled implements AsyncDisposable {
  private constructor(
    readonly registry: FakeRegistry,
    readonly ground: Ground,
    readonly layers: ReturnType<typeof layer>[],
    readonly lower: string,
    readonly upper: string,
  ) {}

  static async make(): Promise<Pulled> {
    const registry = await FakeRegistry.start();
    const ground = await Ground.open();
    const layers = [base(), top()];
    registry.image("latest", layers);
    await ground.pull(`${registry.address}/a/b`);
    const chain = chainIds(layers.map(({ tar }) => digestOf(tar)));
    return new Pulled(
      registry,
      ground,
      layers,
      await ground.directory(chain[0]!),
      await ground.directory(chain[1]!),
    );
  }

  async verify(repair = false): Promise<{ left: number; said: string[] }> {
    const said: string[] = [];
    const say = (line: string) => said.push(line.replace(/^layer sha256:\S+: /, ""));
    const left = await verify(join(this.ground.dir, "root"), { repair, registry: {}, say });
    return { left, said };
  }

  blob(index: number): string {
    return this.ground.services.content.file!(digestOf(this.layers[index]!.bytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ground[Symbol.asyncDispose]();
    await this.registry[Symbol.asyncDispose]();
  }
}

/** Changes one byte in the middle and nothing else. */
function flip(path: string): void {
  const { mtime, atime, mode } = lstatSync(path);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
  chmodSync(path, mode & 0o7777);
  utimesSync(path, atime, mtime);
}

describe.skipIf(!root)("system verify (as root)", () => {
  test("what was just pulled is well; damage of every kind is found by name, and repaired", async () => {
    await using pulled = await Pulled.make();
    const { lower, upper } = pulled;
    expect(await pulled.verify()).toMatchObject({ left: 0, said: [expect.stringContaining("all is well")] });
    const before = [readTree(lower), readTree(upper)];

    flip(join(lower, "etc/passwd"));
    truncateSync(join(lower, "etc/shadow"), 0);
    chmodSync(join(lower, "bin"), 0o700);
    rmSync(join(lower, "bin/other"));
    rmSync(join(lower, "etc/link"));
    symlinkSync("shadow", join(lower, "etc/link"));
    chownSync(join(lower, "empty"), 5, 6);
    writeFileSync(join(lower, "bin/extra"), "not of the image");
    rmSync(join(upper, "usr"), { recursive: true });
    rmSync(join(upper, "etc/shadow"));
    setAttribute(AT_FDCWD, join(upper, "bin"), "trusted.overlay.opaque", Buffer.from("n"));

    const found = await pulled.verify();
    expect(found.left).toBe(2);
    for (const line of [
      "etc/passwd: content changed",
      /^etc\/shadow: size 0, expected 6/,
      /^bin: mode 700, expected 755/,
      "bin/other: missing",
      /^etc\/link: target shadow, expected passwd/,
      /^empty: owner 5:6, expected 0:0/,
      "bin/extra: not of this layer",
      "usr: missing",
      "usr/share/doc/text: missing",
      "etc/shadow: missing",
      /^bin: extended attributes changed/,
    ])
      expect(found.said).toContainEqual(typeof line === "string" ? line : expect.stringMatching(line));

    const repaired = await pulled.verify(true);
    expect(repaired).toMatchObject({ left: 0, said: expect.arrayContaining(["repaired", "repaired"]) });
    expect(await pulled.verify()).toMatchObject({ left: 0 });
    expect(differences(readTree(lower), before[0]!)).toEqual([]);
    // A directory that the layer does not name has the time of its unpacking.
    const timeless = (line: string) => !/^(usr(\/share(\/doc)?)?|etc|bin): mtime/.test(line);
    expect(differences(readTree(upper), before[1]!).filter(timeless)).toEqual([]);
  });

  test("hard links are one file again after one of them was replaced", async () => {
    await using pulled = await Pulled.make();
    const su = join(pulled.lower, "bin/su");
    const bytes = readFileSync(su);
    rmSync(su);
    writeFileSync(su, bytes);
    chmodSync(su, 0o4755);
    expect((await pulled.verify()).left).toBe(1);
    expect((await pulled.verify(true)).left).toBe(0);
    const inode = (name: string) => lstatSync(join(pulled.lower, name)).ino;
    expect([inode("bin/other"), inode("bin/third")]).toEqual([inode("bin/su"), inode("bin/su")]);
    expect(lstatSync(su)).toMatchObject({ nlink: 3, mode: 0o104755 });
  });

  test("a damaged blob is fetched again, and so is what a layer needs that has none", async () => {
    await using pulled = await Pulled.make();
    flip(pulled.blob(0));
    rmSync(pulled.blob(1));
    flip(join(pulled.lower, "etc/passwd"));
    const { said, left } = await pulled.verify();
    expect(left).toBe(3);
    expect(said).toContainEqual(expect.stringMatching(/^blob sha256:\S+: content changed$/));
    expect(said).toContainEqual(expect.stringMatching(/^blob sha256:\S+: missing$/));
    expect((await pulled.verify(true)).left).toBe(0);
    expect(digestOf(readFileSync(pulled.blob(0)))).toBe(digestOf(pulled.layers[0]!.bytes));
    expect((await pulled.verify()).left).toBe(0);
  });

  test("what no registry has stays damaged, and says why; nothing is half repaired", async () => {
    await using pulled = await Pulled.make();
    flip(join(pulled.lower, "etc/passwd"));
    const damaged = readFileSync(join(pulled.lower, "etc/passwd"));
    rmSync(pulled.blob(0));
    pulled.registry.blobs.clear();
    const { said, left } = await pulled.verify(true);
    expect(left).toBe(2);
    expect(said).toContainEqual(expect.stringMatching(/^not repaired: .*a\/b: .*blob unknown/));
    expect(readFileSync(join(pulled.lower, "etc/passwd"))).toEqual(damaged);
    expect(existsSync(join(pulled.lower, "../repair"))).toBe(false);
    // A registry that sends something else is not believed.
    pulled.registry.blobs.set(
      digestOf(pulled.layers[0]!.bytes),
      Buffer.alloc(pulled.layers[0]!.bytes.length),
    );
    expect((await pulled.verify(true)).said).toContainEqual(expect.stringContaining("is not it"));
    expect(existsSync(pulled.blob(0))).toBe(false);
  });

  test("a table that was cut off is no proof of anything", async () => {
    await using pulled = await Pulled.make();
    const table = tableOf(pulled.lower);
    truncateSync(table, lstatSync(table).size - 20);
    const { said, left } = await pulled.verify();
    expect(left).toBe(1);
    expect(said).toContainEqual(expect.stringContaining("table.jsonl is damaged"));
    renameSync(table, `${table}.away`);
    expect((await pulled.verify()).said).toContainEqual(expect.stringContaining("have no table"));
  });

  test("a layer of another name for a directory, and a file put twice, raise no false alarm", async () => {
    await using registry = await FakeRegistry.start();
    await using ground = await Ground.open();
    registry.image("latest", [
      layer([
        { name: "usr/lib/" },
        { name: "lib", type: "symlink", link: "usr/lib" },
        { name: "lib/twice", data: "first" },
        { name: "usr/lib/twice", data: "second", mode: 0o600 },
        { name: "was-file", data: "x" },
        { name: "was-file/", mode: 0o711 },
        { name: "was-file/inside", data: "y" },
      ]),
    ]);
    await ground.pull(`${registry.address}/a`);
    const said: string[] = [];
    const say = (line: string) => said.push(line);
    expect(await verify(join(ground.dir, "root"), { repair: true, registry: {}, say })).toBe(0);
    expect(said).toHaveLength(1);
  });

  test("a root that is none, and words it does not know", async () => {
    expect(await main(["verify", "--root", "/proc/nonexistent"])).toBe(2);
    expect(await main(["mend"])).toBe(2);
    expect(await main(["verify", "--user", "name"])).toBe(2);
  });
});
