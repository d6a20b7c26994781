// What unpacking a layer does to a directory: types, order of layers, and that nothing reaches outside.
import { describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { AT_FDCWD } from "../../ffi/constants/fcntl.ts";
import { attributes, statAt, toByteName } from "../../ffi/tree.ts";
import { applyTar, type ExtractOptions } from "../../src/store/tar/extract.ts";
import { chunked, listing, type Member, Scratch, tarOf } from "./support.ts";

const root = process.getuid?.() === 0;

/** A scratch directory `root` with the layers unpacked into it one after another, and a file outside of it. */
class Unpacked extends Scratch {
  readonly root = join(this.path, "root");
  readonly victim = join(this.path, "victim");
  constructor() {
    super();
    mkdirSync(this.root);
    writeFileSync(this.victim, "untouched");
  }
  async layer(...members: Member[]): Promise<void> {
    await this.with({}, ...members);
  }
  async with(options: ExtractOptions, ...members: Member[]) {
    // Chunks of 700 bytes: no header and no file lies whole in one.
    return await applyTar(chunked(tarOf(...members), 700), this.root, options);
  }
  read(name: string): string {
    return readFileSync(join(this.root, name), "utf8");
  }
  names(directory = ""): string[] {
    return readdirSync(join(this.root, directory)).sort();
  }
}

const overlay = (...lower: string[]): ExtractOptions => ({
  overlay: { opaque: "trusted.overlay.opaque", lower },
});

describe.skipIf(!root)("one layer (as root)", () => {
  test("every type, with owner, mode, time and attributes", async () => {
    using at = new Unpacked();
    await at.layer(
      { name: "./", mode: 0o700 },
      { name: "dir/", mode: 0o2750, uid: 5, gid: 6, mtime: 1234567890 },
      {
        name: "dir/file",
        data: "x".repeat(3000),
        mode: 0o6755,
        uid: 1000,
        gid: 3_000_000_000,
        mtime: 1111111111,
        attributes: { "user.a": "1", "trusted.t": "" },
      },
      {
        name: "dir/hard",
        type: "link",
        link: "dir/file",
        mode: 0o6755,
        uid: 1000,
        gid: 3_000_000_000,
        mtime: 1111111111,
      },
      { name: "soft", link: "/dir/file", mtime: 1222222222, uid: 7 },
      { name: "null", type: "char", dev: [1, 3], mode: 0o666 },
      { name: "disk", type: "block", dev: [259, 70000], mode: 0o660 },
      { name: "pipe", type: "fifo", mode: 0o600 },
      { name: "empty" },
    );
    expect(listing(at.root)).toEqual([
      "dir/file|f|6755|1000:3000000000|3000|1111111111.0000000000|2|",
      "dir/hard|f|6755|1000:3000000000|3000|1111111111.0000000000|2|",
      "dir|d|2750|5:6||1234567890.0000000000||",
      "disk|b|660|0:0|0|1700000000.0000000000|1|",
      "empty|f|644|0:0|0|1700000000.0000000000|1|",
      "null|c|666|0:0|0|1700000000.0000000000|1|",
      "pipe|p|600|0:0|0|1700000000.0000000000|1|",
      "soft|l|777|7:0|9|1222222222.0000000000|1|/dir/file",
    ]);
    const disk = statAt(AT_FDCWD, join(at.root, "disk"))!;
    expect([disk.rdevMajor, disk.rdevMinor]).toEqual([259, 70000]);
    const found = attributes(AT_FDCWD, join(at.root, "dir/file"));
    expect([...found.keys()].sort()).toEqual(["trusted.t", "user.a"]);
    expect(Buffer.from(found.get("user.a")!).toString()).toBe("1");
    expect(statSync(at.root).mode & 0o7777).not.toBe(0o700);
  });

  test("file capabilities survive the chown", async () => {
    using at = new Unpacked();
    // VFS_CAP_REVISION_2, cap_net_raw: bytes that are no UTF-8.
    const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");
    const bytes = tarOf({
      name: "ping",
      mode: 0o4755,
      uid: 12,
      attributes: { "security.capability": capability.toString("latin1") },
    });
    // tarOf writes UTF-8; these bytes are all below 0x80, so they arrive as they are.
    await applyTar(chunked(bytes), at.root);
    expect(Buffer.from(attributes(AT_FDCWD, join(at.root, "ping")).get("security.capability")!)).toEqual(
      capability,
    );
    expect(lstatSync(join(at.root, "ping")).mode & 0o7777).toBe(0o4755);
  });

  test("names that are no UTF-8", async () => {
    using at = new Unpacked();
    const bytes = Buffer.from(tarOf({ name: "caf#", data: "x" }));
    bytes[3] = 0xe9;
    let sum = 8 * 32;
    for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += bytes[i]!;
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    await applyTar(chunked(bytes), at.root);
    expect(listing(at.root, false)).toEqual(["caf\xe9|f|644|0:0|1||1|"]);
  });

  test("the diff ID is that of the whole stream, padding included", async () => {
    using at = new Unpacked();
    const bytes = Buffer.concat([tarOf({ name: "a", data: "b" }), Buffer.alloc(9216)]);
    const { digest, size } = await applyTar(chunked(bytes, 1000), at.root);
    expect(digest).toBe(`sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`);
    expect(size).toBe(bytes.length);
  });

  test("the last of two entries with one name stays", async () => {
    using at = new Unpacked();
    await at.layer(
      { name: "a", data: "1" },
      { name: "a", data: "22" },
      { name: "b", data: "file" },
      { name: "b/", mode: 0o700 },
      { name: "b/inner", data: "x" },
      { name: "c/" },
      { name: "c/deep/er", data: "x" },
      { name: "c", data: "now a file" },
      { name: "d/" },
      { name: "d", link: "elsewhere" },
    );
    expect(at.read("a")).toBe("22");
    expect(at.read("b/inner")).toBe("x");
    expect(at.read("c")).toBe("now a file");
    expect(readlinkSync(join(at.root, "d"))).toBe("elsewhere");
  });

  test("a directory that was replaced while its files were being unpacked", async () => {
    using at = new Unpacked();
    await at.layer(
      { name: "d/one", data: "1" },
      { name: "d", link: "other" },
      { name: "other/" },
      { name: "d/two", data: "2" },
    );
    expect(at.names("other")).toEqual(["two"]);
  });

  test("an archive may end where the last file does, and not before", async () => {
    using scratch = new Unpacked();
    const whole = tarOf({ name: "a", data: "first" }, { name: "b", data: "second" });
    const data = whole.lastIndexOf("second");
    await applyTar(chunked(whole.subarray(0, data + 6), 700), scratch.root, {});
    expect(scratch.read("b")).toBe("second");
    await expect(applyTar(chunked(whole.subarray(0, data + 5), 700), scratch.root, {})).rejects.toThrow(
      "cut off",
    );
  });

  test("parents that no entry names are made", async () => {
    using at = new Unpacked();
    await at.layer({ name: "a/b/c/d", data: "x" });
    expect(listing(at.root, false)).toContain("a/b/c|d|755|0:0||||");
  });
});

describe.skipIf(!root)("what reaches outside (as root)", () => {
  const refused: [what: string, members: Member[], message: RegExp][] = [
    [
      "../ in a name",
      [{ name: "../victim", data: "evil" }],
      /"\.\.\/victim" is outside of the root file system/,
    ],
    ["../ behind a directory", [{ name: "a/../../victim", data: "evil" }], /outside of the root/],
    [
      "a hard link to ../",
      [{ name: "h", type: "link", link: "../victim" }],
      /"\.\.\/victim" is outside of the root/,
    ],
    [
      "a hard link to an absolute path outside",
      [{ name: "h", type: "link", link: "/etc/passwd" }],
      /not in the archive/,
    ],
    [
      "a hard link through a symlink to outside",
      [
        { name: "s", link: ".." },
        { name: "h", type: "link", link: "s/victim" },
      ],
      /not in the archive/,
    ],
    ["../ in a whiteout", [{ name: "../.wh.victim" }], /outside of the root/],
    ["a whiteout of ..", [{ name: "a/.wh..." }], /invalid whiteout name/],
    ["a whiteout of nothing", [{ name: ".wh." }], /invalid whiteout name/],
    ["a file below a file", [{ name: "f" }, { name: "f/g" }], /not a directory/],
    [
      "symlinks in a circle",
      [{ name: "l", link: "l" }, { name: "l/x" }],
      /too many levels of symbolic links/,
    ],
    ["a NUL in a pax name", [{ name: `${"n".repeat(120)}\0x` }], /NUL/],
  ];
  for (const [what, members, message] of refused) {
    for (const options of [{}, overlay()]) {
      test(`refused: ${what}${options.overlay ? " (overlay)" : ""}`, async () => {
        using at = new Unpacked();
        await expect(at.with(options, ...members)).rejects.toThrow(message);
        await at.with(options, ...members).catch(() => {});
        expect(readFileSync(at.victim, "utf8")).toBe("untouched");
        expect(lstatSync(at.victim).nlink).toBe(1);
      });
    }
  }

  const confined: [what: string, link: string][] = [
    ["an absolute symlink", "/"],
    ["an absolute symlink to a directory of the host", "/tmp"],
    ["a symlink that climbs", "../../../../../../.."],
    ["a symlink to proc's magic", "/proc/self/root"],
  ];
  for (const [what, link] of confined) {
    for (const options of [{}, overlay()]) {
      test(`stays inside: a file through ${what}${options.overlay ? " (overlay)" : ""}`, async () => {
        using at = new Unpacked();
        const marker = `bunker-escape-${process.pid}`;
        await at.with(
          options,
          { name: "out", link },
          { name: `out/${marker}`, data: "x" },
          { name: `out/.wh.victim` },
        );
        expect(readlinkSync(join(at.root, "out"))).toBe(link);
        const inside = link === "/" || link.startsWith("..") ? marker : `${link.slice(1)}/${marker}`;
        expect(at.read(inside)).toBe("x");
        expect(
          existsSync(`/${marker}`) || existsSync(`/tmp/${marker}`) || existsSync(join(at.path, marker)),
        ).toBe(false);
        expect(readFileSync(at.victim, "utf8")).toBe("untouched");
      });
    }
  }

  test("a symlink that was there before the layer is not followed out either", async () => {
    using at = new Unpacked();
    symlinkSync(at.path, join(at.root, "s"));
    await at.layer({ name: "s/victim", data: "evil" });
    expect(readFileSync(at.victim, "utf8")).toBe("untouched");
    // The same name as a file replaces the link and writes nothing through it.
    await at.layer({ name: "s", data: "plain" });
    expect(at.read("s")).toBe("plain");
  });

  test("attributes that steer overlayfs are not taken from a layer", async () => {
    using at = new Unpacked();
    await at.layer({
      name: "d/",
      attributes: { "trusted.overlay.redirect": "/etc", "trusted.overlay.opaque": "y" },
    });
    expect([...attributes(AT_FDCWD, join(at.root, "d")).keys()]).toEqual([]);
  });
});

describe.skipIf(!root)("layers on one another, in one directory (as root)", () => {
  test("whiteouts remove what lower layers brought", async () => {
    using at = new Unpacked();
    await at.layer(
      { name: "a" },
      { name: "d/x" },
      { name: "d/sub/y" },
      { name: "o/old" },
      { name: "o/keep/old" },
    );
    await at.layer(
      { name: ".wh.a" },
      { name: "d/.wh.sub" },
      { name: "o/keep/new" },
      { name: "o/.wh..wh..opq" },
      { name: "o/new" },
      { name: ".wh..wh.plnk/1.2" },
    );
    expect(at.names()).toEqual(["d", "o"]);
    expect(at.names("d")).toEqual(["x"]);
    expect(at.names("o")).toEqual(["keep", "new"]);
    expect(at.names("o/keep")).toEqual(["new"]);
  });
  test("a whiteout does not touch its own layer's files", async () => {
    using at = new Unpacked();
    await at.layer({ name: "a", data: "old" }, { name: "d/old" });
    await at.layer(
      { name: "a", data: "new" },
      { name: ".wh.a" },
      { name: "d/" },
      { name: "d/new" },
      { name: ".wh.d" },
    );
    expect(at.read("a")).toBe("new");
    expect(at.names("d")).toEqual(["new"]);
  });
  test("a directory keeps its files when a later layer names it again", async () => {
    using at = new Unpacked();
    await at.layer({ name: "d/x", data: "1" });
    await at.layer({ name: "d/", mode: 0o700 }, { name: "d/y" });
    expect(at.names("d")).toEqual(["x", "y"]);
    expect(statSync(join(at.root, "d")).mode & 0o777).toBe(0o700);
  });
});

describe.skipIf(!root)("an overlay's upper directory (as root)", () => {
  const opaque = (path: string) =>
    Buffer.from(attributes(AT_FDCWD, toByteName(path)).get("trusted.overlay.opaque") ?? []).toString();
  const isWhiteout = (path: string) => lstatSync(path).isCharacterDevice() && lstatSync(path).rdev === 0;

  test("whiteouts are 0/0 devices, opaque directories carry the attribute", async () => {
    using at = new Unpacked();
    await at.with(
      overlay(),
      { name: "d/" },
      { name: "d/.wh.gone" },
      { name: "o/" },
      { name: "o/.wh..wh..opq" },
      { name: ".wh..wh..opq" },
    );
    expect(isWhiteout(join(at.root, "d/gone"))).toBe(true);
    expect(opaque(join(at.root, "o"))).toBe("y");
    expect(opaque(join(at.root, "d"))).toBe("");
    expect(opaque(at.root)).toBe("y");
    expect(at.names("o")).toEqual([]);
  });
  test("a file after its whiteout replaces it; a directory hides what lay below", async () => {
    using at = new Unpacked();
    await at.with(
      overlay(),
      { name: ".wh.f" },
      { name: "f", data: "new" },
      { name: ".wh.d" },
      { name: "d/" },
      { name: ".wh.i" },
      { name: "i/n" },
      { name: "e/" },
      { name: ".wh.e" },
    );
    expect(at.read("f")).toBe("new");
    expect(opaque(join(at.root, "d"))).toBe("y");
    expect(opaque(join(at.root, "i"))).toBe("y");
    expect(opaque(join(at.root, "e"))).toBe("y");
  });
  test("a directory made in passing looks like the one below it", async () => {
    using at = new Unpacked();
    const [top, bottom] = [join(at.path, "top"), join(at.path, "bottom")];
    mkdirSync(top);
    mkdirSync(bottom);
    await applyTar(
      chunked(
        tarOf({ name: "srv/", mode: 0o1777, uid: 33, gid: 44 }, { name: "srv/in/", mode: 0o700, uid: 9 }),
      ),
      bottom,
    );
    await applyTar(chunked(tarOf({ name: ".wh.gone" })), top, overlay());
    await at.with(overlay(top, bottom), { name: "srv/in/file" }, { name: "gone/file" });
    expect(listing(at.root, false)).toEqual([
      "gone/file|f|644|0:0|0||1|",
      "gone|d|755|0:0||||",
      "srv/in/file|f|644|0:0|0||1|",
      "srv/in|d|700|9:0||||",
      "srv|d|1777|33:44||||",
    ]);
  });
});

describe("archives that are none", () => {
  const good = tarOf({ name: "a", data: "x".repeat(2000) });
  const bad: [what: string, bytes: Uint8Array, message: RegExp][] = [
    ["garbage", Buffer.from("this is no tar archive ".repeat(100)), /invalid tar header/],
    ["cut in a file", good.subarray(0, 1500), /unexpected EOF/],
    ["cut in a header", good.subarray(0, 300), /unexpected EOF/],
    ["a zero block and then something", Buffer.concat([new Uint8Array(512), good]), /invalid tar header/],
    ["a wrong checksum", Buffer.from(good).fill(0x41, 0, 1), /invalid tar header/],
    ["a pax record that lies about its length", paxWith("999 path=x\n"), /malformed pax record/],
    ["a pax size that is no number", paxWith("13 size=-11\n"), /malformed pax record/],
    ["a pax header beyond 1 MiB", paxWith("x".repeat((1 << 20) + 1)), /too long/],
  ];
  for (const [what, bytes, message] of bad) {
    test(what, async () => {
      using at = new Unpacked();
      await expect(applyTar(chunked(bytes), at.root)).rejects.toThrow(message);
      await applyTar(chunked(bytes), at.root).catch(() => {});
      expect(at.names().filter((name) => name !== "a")).toEqual([]);
    });
  }
  test("an aborted signal stops it", async () => {
    using at = new Unpacked();
    const signal = AbortSignal.abort(new Error("stopped"));
    await expect(applyTar(chunked(good), at.root, { signal })).rejects.toThrow("stopped");
  });
});

/** An archive of one pax header with that content and one file. */
function paxWith(records: string): Uint8Array {
  const bytes = Buffer.from(tarOf({ name: "p", data: records }, { name: "a" }));
  bytes[156] = "x".charCodeAt(0);
  let sum = 8 * 32;
  for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += bytes[i]!;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}
