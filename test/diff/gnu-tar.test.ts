// Our reader and writer against GNU tar: what it packs we unpack to the same tree, what we pack it unpacks.
import { describe, expect, test } from "bun:test";
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { AT_FDCWD } from "../../ffi/constants/fcntl.ts";
import { attributes, setAttribute, setTimes, toByteName } from "../../ffi/tree.ts";
import { applyTar } from "../../src/store/tar/extract.ts";
import { packTree } from "../../src/store/tar/pack.ts";
import { hardLinks, listing, Scratch, sh } from "./support.ts";

const root = process.getuid?.() === 0;
const long = "a-long-directory-name-".repeat(4);

/** A tree with something of everything. */
function grow(at: string): void {
  mkdirSync(join(at, long, long, long), { recursive: true });
  writeFileSync(join(at, long, long, long, "x".repeat(200)), "long name");
  symlinkSync("y".repeat(300), join(at, "long-link"));
  writeFileSync(join(at, "ünï"), "utf-8", { mode: 0o4711 });
  writeFileSync(join(at, "big"), Buffer.alloc(3_000_001, "0123456789"));
  writeFileSync(join(at, "h1"), "linked");
  linkSync(join(at, "h1"), join(at, "h2"));
  sh(["mknod", "null", "c", "1", "3"], at);
  sh(["mkfifo", "pipe"], at);
  sh(["chown", "2000000:1234", "ünï"], at);
  sh(["chmod", "4711", "ünï"], at);
  setAttribute(AT_FDCWD, toByteName(join(at, "ünï")), "user.binary", new Uint8Array([0, 255, 10, 61]));
  setTimes(
    AT_FDCWD,
    join(at, "h1"),
    { seconds: 1, nanoseconds: 0 },
    { seconds: 1_234_567_890, nanoseconds: 123_456_789 },
  );
  // Holes at both ends and in the middle.
  const sparse = openSync(join(at, "sparse"), "w");
  for (const [offset, text] of [
    [1 << 20, "one"],
    [3 << 20, "two"],
    [(5 << 20) + 7, "three"],
  ] as const) {
    writeSync(sparse, Buffer.from(text.repeat(3000)), 0, text.length * 3000, offset);
  }
  closeSync(sparse);
  truncateSync(join(at, "sparse"), 9_000_001);
}

const content = (at: string) => sh(["sh", "-c", "find . -type f -print0 | sort -z | xargs -0 sha256sum"], at);

describe.skipIf(!root)("GNU tar packs, we unpack (as root)", () => {
  const formats: [name: string, options: string[], nanoseconds: boolean, hasAttributes: boolean][] = [
    ["gnu", ["--format=gnu"], false, false],
    ["gnu, sparse", ["--format=gnu", "--sparse"], false, false],
    ["pax", ["--format=pax", "--xattrs", "--xattrs-include=*"], true, true],
    ["pax, sparse 0.0", ["--format=pax", "--sparse", "--sparse-version=0.0"], true, false],
    ["pax, sparse 0.1", ["--format=pax", "--sparse", "--sparse-version=0.1"], true, false],
    ["pax, sparse 1.0", ["--format=pax", "--sparse", "--sparse-version=1.0"], true, false],
  ];
  for (const [name, options, nanoseconds, hasAttributes] of formats) {
    test(name, async () => {
      using scratch = new Scratch();
      const [from, to, tar] = [
        join(scratch.path, "from"),
        join(scratch.path, "to"),
        join(scratch.path, "t.tar"),
      ];
      mkdirSync(from);
      mkdirSync(to);
      grow(from);
      sh(["tar", ...options, "-cf", tar, "-C", from, "."]);
      await applyTar(Bun.file(tar).stream(), to);
      expect(listing(to, nanoseconds)).toEqual(listing(from, nanoseconds));
      expect(hardLinks(to)).toEqual([["h1", "h2"]]);
      expect(content(to)).toBe(content(from));
      if (name.includes("sparse")) expect(statSync(join(to, "sparse")).blocks).toBeLessThan(1000);
      const attribute = attributes(AT_FDCWD, toByteName(join(to, "ünï"))).get("user.binary");
      expect(attribute && [...attribute]).toEqual(hasAttributes ? [0, 255, 10, 61] : undefined);
    });
  }
});

describe.skipIf(!root)("we pack (as root)", () => {
  async function pack(from: string, tar: string): Promise<void> {
    const file = openSync(tar, "w");
    for await (const chunk of packTree(from)) writeSync(file, chunk);
    closeSync(file);
  }
  test("GNU tar unpacks the same tree", async () => {
    using scratch = new Scratch();
    const [from, to, tar] = [
      join(scratch.path, "from"),
      join(scratch.path, "to"),
      join(scratch.path, "t.tar"),
    ];
    mkdirSync(from);
    mkdirSync(to);
    grow(from);
    const socket = Bun.listen({ unix: join(from, "socket"), socket: { data() {} } });
    await pack(from, tar);
    socket.stop(true);
    sh(["rm", "-f", join(from, "socket")]);
    sh(["tar", "--xattrs", "--xattrs-include=*", "--same-owner", "--numeric-owner", "-xpf", tar, "-C", to]);
    expect(listing(to)).toEqual(listing(from));
    expect(hardLinks(to)).toEqual(hardLinks(from));
    expect(content(to)).toBe(content(from));
    expect([...attributes(AT_FDCWD, toByteName(join(to, "ünï"))).get("user.binary")!]).toEqual([
      0, 255, 10, 61,
    ]);
  });
  test("names as docker export writes them, and the same bytes every time", async () => {
    using scratch = new Scratch();
    const [from, one, two] = [
      join(scratch.path, "from"),
      join(scratch.path, "1.tar"),
      join(scratch.path, "2.tar"),
    ];
    mkdirSync(join(from, "b"), { recursive: true });
    writeFileSync(join(from, "b", "c"), "");
    writeFileSync(join(from, "a"), "");
    await pack(from, one);
    await pack(from, two);
    expect(sh(["tar", "-tf", one])).toBe("a\nb/\nb/c\n");
    expect(sh(["cmp", one, two])).toBe("");
  });
  test("what we pack we unpack", async () => {
    using scratch = new Scratch();
    const [from, to] = [join(scratch.path, "from"), join(scratch.path, "to")];
    mkdirSync(from);
    mkdirSync(to);
    grow(from);
    await applyTar(packTree(from), to);
    expect(listing(to)).toEqual(listing(from));
    expect(content(to)).toBe(content(from));
  });
});

test.skipIf(!root)("times of directories survive the files made in them", async () => {
  using scratch = new Scratch();
  const [from, to, tar] = [join(scratch.path, "from"), join(scratch.path, "to"), join(scratch.path, "t.tar")];
  mkdirSync(join(from, "d", "e"), { recursive: true });
  mkdirSync(to);
  writeFileSync(join(from, "d", "e", "f"), "");
  sh(["touch", "-d", "2001-02-03 04:05:06", join(from, "d", "e"), join(from, "d")]);
  sh(["tar", "-cf", tar, "-C", from, "d"]);
  await applyTar(Bun.file(tar).stream(), to);
  expect(
    listing(to, true)
      .filter((line) => line.includes("|d|"))
      .every((line) => line.includes("981173106")),
  ).toBe(true);
});
