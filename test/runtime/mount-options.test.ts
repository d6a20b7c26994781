// Every mount option that `features` names, by what the kernel says of the mount afterwards: on a new file system and on a
// bind mount, several of them in one container. config.md#linux-mount-options
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { knownOptions } from "../../src/roles/runtime/launch/mount-options.ts";
import { Ground, unable } from "./ground.ts";

const it = test.skipIf(unable !== "");

interface Expected {
  /** Words that the mount's own options have, or lack. */
  has?: string[];
  lacks?: string[];
  /** A word of the file system's options. */
  filesystem?: string;
  /** Beginning of an optional field: "shared:", "unbindable". */
  field?: string;
  /** Words given before the option, so that its effect shows. */
  before?: string[];
}

const plain: Expected = { has: ["rw", "relatime"] };
/** What each word does to a new tmpfs; the recursive forms are derived. */
const ATTRIBUTES: Record<string, Expected> = {
  ro: { has: ["ro"] },
  rw: { has: ["rw"], before: ["ro"] },
  nosuid: { has: ["nosuid"] },
  suid: { lacks: ["nosuid"], before: ["nosuid"] },
  nodev: { has: ["nodev"] },
  dev: { lacks: ["nodev"], before: ["nodev"] },
  noexec: { has: ["noexec"] },
  exec: { lacks: ["noexec"], before: ["noexec"] },
  nodiratime: { has: ["nodiratime"] },
  diratime: { lacks: ["nodiratime"], before: ["nodiratime"] },
  nosymfollow: { has: ["nosymfollow"] },
  symfollow: { lacks: ["nosymfollow"], before: ["nosymfollow"] },
  noatime: { has: ["noatime"], lacks: ["relatime"] },
  atime: { has: ["relatime"], lacks: ["noatime"], before: ["noatime"] },
  relatime: { has: ["relatime"], before: ["noatime"] },
  norelatime: plain,
  strictatime: { lacks: ["relatime", "noatime"] },
  nostrictatime: { has: ["relatime"], before: ["strictatime"] },
};
const PROPAGATION: Record<string, Expected> = {
  private: plain,
  shared: { field: "shared:" },
  slave: plain,
  unbindable: { field: "unbindable" },
};
const FILESYSTEM: Record<string, Expected> = {
  sync: { filesystem: "sync" },
  dirsync: { filesystem: "dirsync" },
  lazytime: { filesystem: "lazytime" },
  mand: { filesystem: "mand" },
  // Nothing shows of these: they ask for what is so anyway.
  ...Object.fromEntries(
    "acl async defaults iversion loud noacl noiversion nolazytime nomand silent"
      .split(" ")
      .map((word) => [word, plain]),
  ),
};
const recursive = (table: Record<string, Expected>) =>
  Object.fromEntries(
    Object.entries(table).map(([word, { before, ...rest }]) => [
      `r${word}`,
      { ...rest, ...(before ? { before: before.map((one) => `r${one}`) } : {}) },
    ]),
  );
const ON_TMPFS: Record<string, Expected> = {
  ...ATTRIBUTES,
  ...recursive(ATTRIBUTES),
  ...PROPAGATION,
  ...recursive(PROPAGATION),
  ...FILESYSTEM,
};
/** Tested elsewhere: in this file below, rare-fields.test.ts, extensions.test.ts. */
const ELSEWHERE = [
  "bind",
  "rbind",
  "remount",
  "tmpcopyup",
  "idmap",
  "ridmap",
  "src-nofollow",
  "dest-nofollow",
  "copy-symlink",
];

test("every option of the runtime has its line here", () => {
  expect([...Object.keys(ON_TMPFS), ...ELSEWHERE].sort()).toEqual(knownOptions());
});

test("what runc's features name is known", () => {
  const runc =
    "acl async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud mand noacl noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable";
  const known = new Set(knownOptions());
  expect(runc.split(" ").filter((word) => !known.has(word))).toEqual([]);
});

interface Seen {
  options: string[];
  fields: string[];
  filesystem: string[];
}

/** mountinfo's lines by mountpoint. man 5 proc */
function parse(text: string): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  for (const line of text.trim().split("\n")) {
    const words = line.split(" ");
    const dash = words.indexOf("-");
    seen.set(words[4]!, {
      options: words[5]!.split(","),
      fields: words.slice(6, dash),
      filesystem: words[dash + 3]!.split(","),
    });
  }
  return seen;
}

function complaint(word: string, expected: Expected, seen: Seen | undefined): string[] {
  if (!seen) return [`${word}: not mounted`];
  const { has = [], lacks = [], filesystem, field } = expected;
  const wrong = [
    ...has.filter((one) => !seen.options.includes(one)),
    ...lacks.filter((one) => seen.options.includes(one)).map((one) => `no ${one}`),
    ...(filesystem && !seen.filesystem.includes(filesystem) ? [filesystem] : []),
    ...(field && !seen.fields.some((one) => one.startsWith(field)) ? [field] : []),
  ];
  return wrong.length > 0 ? [`${word}: expected ${wrong}, got ${JSON.stringify(seen)}`] : [];
}

for (const kind of ["tmpfs", "bind"] as const)
  it(`each option on a ${kind} mount, as the kernel shows it`, async () => {
    await using ground = new Ground();
    const source = join(ground.directory, "source");
    mkdirSync(source);
    const words = Object.keys(ON_TMPFS).filter((word) => kind === "tmpfs" || !(word in FILESYSTEM));
    const { code, out, err } = await ground.run("grep ' /t/' /proc/self/mountinfo", (config) => {
      config.mounts!.push({ destination: "/t", type: "tmpfs", source: "tmpfs" });
      for (const word of words) {
        const options = [...(ON_TMPFS[word]!.before ?? []), word];
        config.mounts!.push(
          kind === "tmpfs"
            ? { destination: `/t/${word}`, type: "tmpfs", source: "tmpfs", options }
            : { destination: `/t/${word}`, type: "bind", source, options: ["bind", ...options] },
        );
      }
    });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const seen = parse(out);
    expect(words.flatMap((word) => complaint(word, ON_TMPFS[word]!, seen.get(`/t/${word}`)))).toEqual([]);
    expect(ground.leftovers()).toEqual([]);
  });

it("the plain forms are for the mount alone, the recursive ones for all below it", async () => {
  await using ground = new Ground();
  // A tree with a mount in it, in a namespace of the test's own.
  const source = join(ground.directory, "tree");
  mkdirSync(join(source, "below"), { recursive: true });
  const mounted = ["unshare", "-m", "sh", "-c", `mount -t tmpfs below ${source}/below && exec "$@"`, "sh"];
  ground.shell("grep ' /t/' /proc/self/mountinfo", (config) => {
    config.mounts!.push({ destination: "/t", type: "tmpfs", source: "tmpfs" });
    const add = (name: string, ...options: string[]) =>
      config.mounts!.push({ destination: `/t/${name}`, type: "bind", source, options });
    add("alone", "bind");
    add("plain", "rbind", "ro", "noexec");
    add("all", "rbind", "rro", "rnoexec");
    add("mixed", "rbind", "rro", "rw");
  });
  const { out, err } = await ground.runc(["run", ground.id], {}, mounted);
  expect(err).toBe("");
  const seen = parse(out);
  const flags = (path: string) => seen.get(path)?.options.filter((one) => /^(ro|rw|noexec)$/.test(one));
  expect(seen.has("/t/alone/below")).toBe(false);
  expect([flags("/t/plain"), flags("/t/plain/below")]).toEqual([["ro", "noexec"], ["rw"]]);
  expect([flags("/t/all"), flags("/t/all/below")]).toEqual([
    ["ro", "noexec"],
    ["ro", "noexec"],
  ]);
  expect(flags("/t/mixed/below")).toEqual(["ro"]);
});

it("remount changes the mount that is there, and fails where none is", async () => {
  await using ground = new Ground();
  const { out } = await ground.run("grep ' /t ' /proc/self/mountinfo", (config) => {
    config.mounts!.push(
      { destination: "/t", type: "tmpfs", source: "tmpfs", options: ["nosuid", "size=64k"] },
      { destination: "/t", type: "tmpfs", source: "tmpfs", options: ["remount", "ro", "noexec"] },
    );
  });
  const lines = out.trim().split("\n");
  expect(lines.length).toBe(1);
  expect(lines[0]).toContain(" ro,noexec,relatime ");
  expect(lines[0]).toContain("size=64k");
  writeFileSync(join(ground.rootfs, "file"), "");
  const wrong = await ground.run("true", (config) => {
    config.mounts!.push({
      destination: "/file",
      type: "bind",
      source: "/etc/passwd",
      options: ["remount", "ro"],
    });
  });
  expect(wrong.code).toBe(1);
  expect(wrong.err).toContain("invalid argument");
  expect(ground.leftovers()).toEqual([]);
});

it("no mount of the container shows on a host whose mounts are shared, whatever the root's propagation", async () => {
  await using ground = new Ground();
  // In a namespace of the test's own that is as session managers leave it; what lies below the rootfs afterwards is told.
  const host = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    `mount --bind ${ground.bundle} ${ground.bundle}; cd ${ground.bundle}; mount --make-rshared /; "$@"; code=$?; grep ' ${ground.rootfs}' /proc/self/mountinfo >&2; exit $code`,
    "sh",
  ];
  for (const propagation of [
    undefined,
    ...["private", "slave", "shared", "unbindable"].flatMap((word) => [word, `r${word}`]),
  ]) {
    ground.shell("mount | grep -c ' on /tmp '", (config) => {
      if (propagation) config.linux!.rootfsPropagation = propagation;
      config.mounts!.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs" });
    });
    expect([propagation, await ground.runc(["run", ground.id], {}, host)]).toEqual([
      propagation,
      { code: 0, out: "1\n", err: "" },
    ]);
  }
});
