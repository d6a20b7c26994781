// `--systemd-cgroup`: units' names and properties, the wire format against programs of others, and whole lives of containers
// with a stand-in for systemd on a real bus.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseMountinfo } from "../../src/roles/runtime/cgroup/hierarchy.ts";
import {
  annotatedProperties,
  deviceProperties,
  resourceProperties,
} from "../../src/roles/runtime/systemd/properties.ts";
import { slicePath, unitCgroups, unitOf } from "../../src/roles/runtime/systemd/unit.ts";
import type { Config } from "../../src/spec/oci/runtime.ts";
import { BusConnection, DBusError } from "../../src/wire/dbus/connection.ts";
import { completeTypes, marshal, unmarshal, Variant } from "../../src/wire/dbus/marshal.ts";
import { Ground, unable } from "./ground.ts";
import { Bus, StandInSystemd } from "./stand-in-systemd.ts";

describe("units", () => {
  test("slice, prefix and name", () => {
    expect(unitOf("system.slice:docker:abc", "c1", false)).toEqual({
      name: "docker-abc.scope",
      slice: "system.slice",
      user: false,
    });
    expect(unitOf(undefined, "c1", false).name).toBe("runc-c1.scope");
    expect(unitOf("::abc", "c1", true)).toEqual({ name: "abc.scope", slice: "user.slice", user: true });
    expect(unitOf("machine.slice:x:pod.slice", "c1", false).name).toBe("pod.slice");
    for (const wrong of [
      "/docker/abc",
      "a:b",
      "s.slice:a:",
      "nosuffix:a:b",
      "a--b.slice:p:n",
      "s.slice:a/b:c",
    ])
      expect(() => unitOf(wrong, "c1", false)).toThrow(/slice|unit name/);
  });

  test("a slice's path spells its parents out", () => {
    expect(slicePath("system.slice")).toBe("/system.slice");
    expect(slicePath("kubepods-besteffort-pod1.slice")).toBe(
      "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice",
    );
    expect(slicePath("-.slice")).toBe("");
    const cgroups = parseMountinfo("30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    const unit = unitOf("a-b.slice:docker:x", "c1", true);
    expect(unitCgroups(cgroups, unit, "/user.slice/user@7.service")).toEqual({
      "": "/sys/fs/cgroup/user.slice/user@7.service/a.slice/a-b.slice/docker-x.scope",
    });
  });
});

describe("properties", () => {
  const named = (properties: readonly (readonly [string, Variant])[]) =>
    properties.map(([name, { signature, value }]) => [name, signature, value]);

  test("limits on v2 and on v1", () => {
    const resources = {
      memory: { limit: 1000, swap: 1500, reservation: -1 },
      cpu: { shares: 1024, quota: 25_001, period: 100_000, cpus: "0-1,9", mems: "0" },
      pids: { limit: -1 },
      blockIO: { weight: 300 },
    };
    expect(named(resourceProperties(resources, true))).toEqual([
      ["MemoryMax", "t", 1000n],
      ["MemoryLow", "t", 0xffffffffffffffffn],
      ["MemorySwapMax", "t", 500n],
      ["CPUWeight", "t", 39n],
      ["CPUQuotaPerSecUSec", "t", 260_000n],
      ["CPUQuotaPeriodUSec", "t", 100_000n],
      ["AllowedCPUs", "ay", [3, 2]],
      ["AllowedMemoryNodes", "ay", [1]],
      ["TasksMax", "t", 0xffffffffffffffffn],
    ]);
    expect(named(resourceProperties(resources, false)).map(([name]) => name)).toEqual([
      "MemoryLimit",
      "CPUShares",
      "CPUQuotaPerSecUSec",
      "CPUQuotaPeriodUSec",
      "AllowedCPUs",
      "AllowedMemoryNodes",
      "TasksMax",
      "BlockIOWeight",
    ]);
  });

  test("devices: strict, with what is allowed", () => {
    const [policy, allow] = deviceProperties([
      { allow: false, access: "rwm" },
      { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
      { allow: true, type: "c", major: 1, access: "r" },
    ]);
    expect(policy![1].value).toBe("strict");
    expect(allow![1].value).toContainEqual(["/dev/char/10:229", "rw"]);
    expect(allow![1].value).toContainEqual(["char-mem", "r"]);
    expect(allow![1].value).toContainEqual(["char-*", "m"]);
    expect(named(deviceProperties([{ allow: true, access: "rwm" }]))).toEqual([
      ["DevicePolicy", "s", "auto"],
    ]);
  });

  test("annotations as GVariant text", () => {
    const one = (name: string, text: string) =>
      named(annotatedProperties({ [`org.systemd.property.${name}`]: text }))[0];
    expect(one("CollectMode", "'inactive-or-failed'")).toEqual(["CollectMode", "s", "inactive-or-failed"]);
    expect(one("TimeoutStopSec", "1.5")).toEqual(["TimeoutStopUSec", "t", 1_500_000n]);
    expect(one("TimeoutStopUSec", "uint64 123456789")).toEqual(["TimeoutStopUSec", "t", 123456789n]);
    expect(one("DefaultDependencies", "true")).toEqual(["DefaultDependencies", "b", true]);
    expect(one("After", "['a.service', 'b.service']")).toEqual(["After", "as", ["a.service", "b.service"]]);
    expect(() => one("Xy", "true")).toThrow("3 letters");
    expect(() => one("Something", "{'a': 1}")).toThrow("not understood");
    expect(annotatedProperties({ "other.key": "x" })).toEqual([]);
  });
});

test("values keep their alignment and nesting", () => {
  expect(completeTypes("sa(sv)a{s(ii)}u")).toEqual(["s", "a(sv)", "a{s(ii)}", "u"]);
  const signature = "ybsta(sv)a(sa(sv))ad";
  const values = [
    7,
    true,
    "grüße",
    2n ** 63n,
    [["Name", new Variant("a(ss)", [["/dev/char/1:3", "rw"]])]],
    [["aux", [["A", new Variant("ay", [1, 2, 3])]]]],
    [1.5],
  ];
  expect(unmarshal(signature, marshal(signature, values))).toEqual(values);
  expect(() => unmarshal("s", new Uint8Array([9, 0, 0, 0, 65]))).toThrow("cut off");
  expect(() => completeTypes("a(s")).toThrow("invalid D-Bus signature");
});

const noBus = unable || (Bun.which("dbus-daemon") ? "" : "no dbus-daemon");
const noScopes = noBus || (existsSync("/sys/fs/cgroup/systemd/tasks") ? "" : "no v1 cgroups");
const it = test.skipIf(noBus !== "");
const scope = test.skipIf(noScopes !== "");
/** A machine that looks as if systemd ran it. */
const pretend = [
  "unshare",
  "--mount",
  "--propagation",
  "private",
  "sh",
  "-ec",
  'mount -t tmpfs run /run; mkdir -p /run/systemd/system; exec "$@"',
  "sh",
];

describe(`on a bus${noBus && ` (skipped: ${noBus})`}`, () => {
  let directory: string;
  let bus: Bus;
  let systemd: StandInSystemd;

  beforeAll(async () => {
    if (noBus) return;
    directory = mkdtempSync(join(tmpdir(), "bus-"));
    bus = await Bus.start(directory);
    systemd = await StandInSystemd.start(bus);
  });

  afterAll(async () => {
    if (noBus) return;
    systemd[Symbol.dispose]();
    await bus[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  it("the daemon answers our calls, and an unknown service is an error by name", () => {
    using connection = BusConnection.open(bus.address);
    const ask = (member: string, signature = "", body: string[] = []) =>
      connection.call({
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        member,
        signature,
        body,
      });
    const [names] = ask("ListNames") as [string[]];
    expect(names).toContain("org.freedesktop.systemd1");
    expect(ask("GetConnectionUnixProcessID", "s", ["org.freedesktop.systemd1"])).toEqual([process.pid]);
    expect(() =>
      connection.call({ destination: "org.none.such", path: "/", interface: "a.b", member: "C" }),
    ).toThrow(DBusError);
  });

  test.skipIf(noBus !== "" || !Bun.which("busctl"))("systemd's own busctl writes what we read", async () => {
    const child = Bun.spawn(
      "busctl --address=ADDRESS call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager SetUnitProperties sba(sv) a.scope true 3 MemoryMax t 5 AllowedCPUs ay 2 1 3 Description s words"
        .replace("ADDRESS", bus.address)
        .split(" "),
      { stderr: "pipe" },
    );
    expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
    expect(systemd.calls.at(-1)).toEqual({
      member: "SetUnitProperties",
      body: [
        "a.scope",
        true,
        [
          ["MemoryMax", new Variant("t", 5n)],
          ["AllowedCPUs", new Variant("ay", [1, 3])],
          ["Description", new Variant("s", "words")],
        ],
      ],
    });
  });

  /** A ground whose calls go to this bus. */
  const through =
    (ground: Ground) =>
    (args: string[], before = pretend) =>
      ground.runc(["--systemd-cgroup", ...args], { DBUS_SYSTEM_BUS_ADDRESS: bus.address }, before);
  const inSlice =
    (ground: Ground, change: (config: Config) => void = () => {}) =>
    (config: Config) => {
      config.linux!.cgroupsPath = `${ground.id.replaceAll("-", "_")}.slice:docker:${ground.id}`;
      change(config);
    };
  /** The slice's directories: systemd would collect them. */
  function forget(ground: Ground): void {
    for (const controller of "systemd memory pids cpu cpuacct cpuset devices freezer blkio unified".split(
      " ",
    )) {
      const path = `/sys/fs/cgroup/${controller}/${ground.id.replaceAll("-", "_")}.slice`;
      if (existsSync(path)) rmdirSync(path);
    }
  }

  scope("a container is a scope from its start to its end", async () => {
    await using ground = new Ground();
    const runc = through(ground);
    const unit = `docker-${ground.id}.scope`;
    try {
      ground.shell(
        "cat /proc/self/cgroup; sleep 1000",
        inSlice(ground, (config) => {
          config.linux!.namespaces = config.linux!.namespaces!.filter(({ type }) => type !== "cgroup");
          config.linux!.resources = {
            ...config.linux!.resources,
            memory: { limit: 67108864 },
            cpu: { quota: 30_000, period: 100_000 },
            pids: { limit: 50 },
          };
          config.annotations = { "org.systemd.property.CollectMode": "'inactive-or-failed'" };
        }),
      );
      expect((await runc(["create", ground.id])).err).toBe("");
      const { pid } = await ground.state();
      // The holder has gone, the container's own process is there.
      expect(systemd.pids(unit)).toEqual([pid]);
      expect(systemd.properties(unit)).toMatchObject({
        Slice: `${ground.id.replaceAll("-", "_")}.slice`,
        Delegate: true,
        MemoryLimit: 67108864n,
        CPUQuotaPerSecUSec: 300_000n,
        TasksMax: 50n,
        DefaultDependencies: false,
        DevicePolicy: "strict",
        CollectMode: "inactive-or-failed",
      });
      const membership = readFileSync(`/proc/${pid}/cgroup`, "utf8");
      expect(membership).toContain(`pids:/${ground.id.replaceAll("-", "_")}.slice/${unit}`);
      expect(membership).toContain(`freezer:/${ground.id.replaceAll("-", "_")}.slice/${unit}`);
      expect((await runc(["start", ground.id])).code).toBe(0);
      expect((await runc(["exec", ground.id, "cat", "/proc/self/cgroup"])).out).toContain(unit);
      expect((await runc(["update", "--pids-limit", "60", ground.id])).err).toBe("");
      expect(systemd.calls.at(-1)).toEqual({
        member: "SetUnitProperties",
        body: [unit, true, [["TasksMax", new Variant("t", 60n)]]],
      });
      expect((await runc(["delete", "--force", ground.id])).err).toBe("");
      expect(systemd.units.has(unit)).toBe(false);
      expect(ground.leftovers()).toEqual([]);
    } finally {
      forget(ground);
    }
  });

  scope("run ends with its unit stopped; a failed unit of the name is in nobody's way", async () => {
    await using ground = new Ground();
    const unit = `docker-${ground.id}.scope`;
    systemd.failed.add(unit);
    try {
      ground.shell("exit 7", inSlice(ground));
      expect(await through(ground)(["run", ground.id])).toEqual({ code: 7, out: "", err: "" });
      expect([systemd.units.has(unit), systemd.failed.has(unit)]).toEqual([false, false]);
      expect(ground.leftovers()).toEqual([]);
    } finally {
      forget(ground);
    }
  });

  scope("a job that fails is told, and leaves nothing", async () => {
    await using ground = new Ground();
    systemd.jobResult = "failed";
    try {
      ground.shell("true", inSlice(ground));
      const { code, err } = await through(ground)(["run", ground.id]);
      expect(code).toBe(1);
      expect(err).toContain('got \\"failed\\"');
      expect((await ground.runc(["list", "-q"])).out).toBe("");
      expect([...systemd.units.keys()]).toEqual([]);
      expect(ground.leftovers()).toEqual([]);
    } finally {
      forget(ground);
    }
  });

  it("without systemd, without a bus, or with a path of the other form: an error in words, and nothing is made", async () => {
    await using ground = new Ground();
    ground.shell("true", inSlice(ground));
    const none = await through(ground)(["run", ground.id], []);
    expect([none.code, none.err]).toEqual([1, expect.stringContaining("this machine does not run systemd")]);
    const deaf = await ground.runc(
      ["--systemd-cgroup", "run", ground.id],
      { DBUS_SYSTEM_BUS_ADDRESS: "unix:path=/nowhere/bus" },
      pretend,
    );
    expect([deaf.code, deaf.err]).toEqual([
      1,
      expect.stringContaining("failed to connect to dbus at unix:path=/nowhere/bus"),
    ]);
    ground.shell("true");
    const form = await through(ground)(["run", ground.id]);
    expect(form.err).toContain('expected cgroupsPath to be of format \\"slice:prefix:name\\"');
    ground.shell("true", inSlice(ground));
    const cgroupfs = await ground.runc(["run", ground.id]);
    expect(cgroupfs.err).toContain("--systemd-cgroup is not given");
    expect(ground.leftovers()).toEqual([]);
  });
});
