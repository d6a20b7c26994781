// Intel RDT without the hardware: the groups in a directory that looks like resctrl, and the refusal where there is none.
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as rdt from "../../src/roles/runtime/container/intel-rdt.ts";
import { Ground, unable } from "./ground.ts";

const MOUNTINFO = "36 25 0:32 / /sys/fs/resctrl rw,relatime shared:9 - resctrl resctrl rw\n";
const absent = !readFileSync("/proc/self/mountinfo", "utf8").includes(" - resctrl ");

test("the mount is found, or its absence is the error", () => {
  expect(rdt.resctrlMount(MOUNTINFO)).toBe("/sys/fs/resctrl");
  expect(() => rdt.resctrlMount("")).toThrow("Intel RDT is not enabled");
});

test("groups: the container's own, a named one, the default one; names that would leave are refused", () => {
  expect(rdt.rdtGroups({}, "c1", "/r")).toEqual({ group: "/r/c1", own: true, monitor: undefined });
  expect(rdt.rdtGroups({ closID: "gold", enableMonitoring: true }, "c1", "/r")).toEqual({
    group: "/r/gold",
    own: false,
    monitor: "/r/gold/mon_groups/c1",
  });
  expect(rdt.rdtGroups({ closID: "" }, "c1", "/r").group).toBe("/r");
  for (const closID of ["..", "a/b", "."])
    expect(() => rdt.rdtGroups({ closID }, "c1", "/r")).toThrow("invalid name");
});

test("schemas in the order the specification asks for; memBwSchema takes the place of the cache schema's MB lines", () => {
  expect(
    rdt.schemataLines({
      l3CacheSchema: "L3:0=f\nMB:0=10",
      memBwSchema: "MB:0=70",
      schemata: ["L2:0=3", "MB:0=60"],
    }),
  ).toEqual(["L3:0=f", "MB:0=70", "L2:0=3", "MB:0=60"]);
  expect(rdt.schemataLines({ l3CacheSchema: "L3:0=f\nMB:0=10" })).toEqual(["L3:0=f", "MB:0=10"]);
});

test("a named group that is there must say the same; one that is not must have a schema", () => {
  const mount = mkdtempSync(join(tmpdir(), "resctrl-"));
  try {
    const group = join(mount, "gold");
    mkdirSync(join(group, "mon_groups"), { recursive: true });
    writeFileSync(join(group, "schemata"), "    L3:0=00f;1=01f\n    MB:0= 70;1= 70\n");
    writeFileSync(join(group, "tasks"), "");
    const named = { closID: "gold", enableMonitoring: true };
    const groups = rdt.rdtGroups(named, "c1", mount);
    expect(() => rdt.makeRdtGroups({ ...named, l3CacheSchema: "L3:0=ff;1=1f" }, groups)).toThrow(
      "does not have the schema L3:0=ff;1=1f",
    );
    rdt.makeRdtGroups({ ...named, l3CacheSchema: "L3:0=f;1=1f", memBwSchema: "MB:0=70;1=70" }, groups);
    expect(existsSync(groups.monitor!)).toBe(true);
    rdt.removeRdtGroups(groups);
    expect(existsSync(groups.monitor!)).toBe(false);
    expect(existsSync(group)).toBe(true);
    const missing = rdt.rdtGroups({ closID: "none" }, "c1", mount);
    expect(() => rdt.makeRdtGroups({ closID: "none" }, missing)).toThrow("does not exist");
  } finally {
    rmSync(mount, { recursive: true });
  }
});

test.skipIf(unable !== "" || !absent)(
  "without resctrl a container that asks for it is refused, and so is the update",
  async () => {
    await using ground = new Ground();
    const { code, err } = await ground.run("true", (config) => {
      config.linux!.intelRdt = { l3CacheSchema: "L3:0=f" };
    });
    expect(code).toBe(1);
    expect(err).toContain("resctrl is not mounted on this host");
    expect(ground.leftovers()).toEqual([]);
    ground.shell("sleep 1000");
    await ground.ok("run", "--detach", ground.id);
    const update = await ground.runc(["update", "--l3-cache-schema", "L3:0=f", ground.id]);
    expect(update.code).toBe(1);
    expect(update.err).toContain("Intel RDT is not enabled");
  },
);
