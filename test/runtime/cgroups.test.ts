// What `resources` asks for, as the kernel has it afterwards; and cgroups that are somebody else's. On cgroup v1, which is
// what test machines mostly have; scripts/vm/smoke.sh does the same on v2.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Resources } from "../../src/spec/oci/runtime.ts";
import { Ground, unable } from "./ground.ts";

const at = (controller: string, file = "") => join("/sys/fs/cgroup", controller, file);
const present = (controller: string) => existsSync(at(controller, "tasks"));
const reason = unable || (present("cpu") ? "" : "no cgroup v1");

/** A block device of this machine, for limits that name one. */
function blockDevice(): string | undefined {
  const line = readFileSync("/proc/partitions", "utf8").split("\n")[2]?.trim().split(/\s+/);
  return line?.[0] ? `${line[0]}:${line[1]}` : undefined;
}

interface Case {
  controller: string;
  file: string;
  resources: Resources;
  expected: string;
}

const device = blockDevice() ?? "8:0";
const [major, minor] = device.split(":").map(Number) as [number, number];
const throttled = { major, minor, rate: 1048576 };
const CASES: Case[] = [
  {
    controller: "memory",
    file: "memory.limit_in_bytes",
    resources: { memory: { limit: 67108864 } },
    expected: "67108864",
  },
  {
    controller: "memory",
    file: "memory.soft_limit_in_bytes",
    resources: { memory: { reservation: 33554432 } },
    expected: "33554432",
  },
  {
    controller: "memory",
    file: "memory.swappiness",
    resources: { memory: { swappiness: 7 } },
    expected: "7",
  },
  {
    controller: "memory",
    file: "memory.oom_control",
    resources: { memory: { disableOOMKiller: true } },
    expected: "oom_kill_disable 1",
  },
  { controller: "cpu", file: "cpu.shares", resources: { cpu: { shares: 512 } }, expected: "512" },
  { controller: "cpu", file: "cpu.cfs_quota_us", resources: { cpu: { quota: 50000 } }, expected: "50000" },
  { controller: "cpu", file: "cpu.cfs_period_us", resources: { cpu: { period: 50000 } }, expected: "50000" },
  {
    controller: "cpu",
    file: "cpu.cfs_burst_us",
    resources: { cpu: { quota: 50000, burst: 20000 } },
    expected: "20000",
  },
  { controller: "cpu", file: "cpu.idle", resources: { cpu: { idle: 1 } }, expected: "1" },
  { controller: "cpuset", file: "cpuset.cpus", resources: { cpu: { cpus: "0" } }, expected: "0" },
  { controller: "cpuset", file: "cpuset.mems", resources: { cpu: { mems: "0" } }, expected: "0" },
  { controller: "pids", file: "pids.max", resources: { pids: { limit: 33 } }, expected: "33" },
  ...(["read", "write"] as const).flatMap((way): Case[] => {
    const name = way === "read" ? "Read" : "Write";
    return [
      {
        controller: "blkio",
        file: `blkio.throttle.${way}_bps_device`,
        resources: { blockIO: { [`throttle${name}BpsDevice`]: [throttled] } },
        expected: `${device} 1048576`,
      },
      {
        controller: "blkio",
        file: `blkio.throttle.${way}_iops_device`,
        resources: { blockIO: { [`throttle${name}IOPSDevice`]: [{ ...throttled, rate: 100 }] } },
        expected: `${device} 100`,
      },
    ];
  }),
  {
    controller: "net_cls",
    file: "net_cls.classid",
    resources: { network: { classID: 1048577 } },
    expected: "1048577",
  },
  {
    controller: "net_prio",
    file: "net_prio.ifpriomap",
    resources: { network: { priorities: [{ name: "lo", priority: 5 }] } },
    expected: "lo 5",
  },
  {
    controller: "hugetlb",
    file: "hugetlb.2MB.limit_in_bytes",
    resources: { hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }] },
    expected: "4194304",
  },
];

/** One after the other, as create does it: one container for all that this machine has, one document. */
function merged(cases: readonly Case[]): Resources {
  const all: Record<string, unknown> = {};
  for (const { resources } of cases)
    for (const [key, value] of Object.entries(resources))
      all[key] = Array.isArray(value) ? value : { ...(all[key] as object), ...(value as object) };
  // Idle cgroups take no shares; it is tried alone below.
  return all as Resources;
}

describe(`resources on v1${reason && ` (skipped: ${reason})`}`, () => {
  const usable = CASES.filter(({ controller, file }) => {
    // The file is in every cgroup but perhaps the root's: an absent one is an older kernel.
    return present(controller) && (file !== "cpu.idle" || !!existsSync("/proc/self/sched"));
  });
  const together = usable.filter(({ file }) => file !== "cpu.idle");

  test.skipIf(reason !== "")("each is what the kernel has, at create", async () => {
    await using ground = new Ground();
    ground.shell("sleep 1000", (config) => {
      config.linux!.resources = { ...config.linux!.resources, ...merged(together) };
    });
    await ground.ok("create", ground.id);
    const wrong = together.filter(({ controller, file, expected }) => {
      const got = readFileSync(join(at(controller, ground.id), file), "utf8");
      return !got.split("\n").includes(expected);
    });
    expect(wrong).toEqual([]);
    await ground.ok("delete", "--force", ground.id);
    expect(ground.leftovers()).toEqual([]);
  });

  test.skipIf(reason !== "")("and at update from a document", async () => {
    await using ground = new Ground();
    ground.shell("sleep 1000");
    await ground.ok("create", ground.id);
    const document = join(ground.directory, "resources.json");
    for (const one of [together, usable.filter(({ file }) => file === "cpu.idle")]) {
      writeFileSync(document, JSON.stringify(merged(one)));
      await ground.ok("update", "-r", document, ground.id);
      for (const { controller, file, expected } of one)
        expect(readFileSync(join(at(controller, ground.id), file), "utf8").split("\n")).toContain(expected);
    }
  });

  test.skipIf(reason !== "")("quota and burst go down and up together", async () => {
    await using ground = new Ground();
    ground.shell("sleep 1000");
    await ground.ok("create", ground.id);
    const value = (file: string) => readFileSync(join(at("cpu", ground.id), file), "utf8").trim();
    for (const [quota, burst] of [
      ["50000", "40000"],
      ["10000", "10000"],
      ["90000", "80000"],
    ] as const) {
      await ground.ok("update", "--cpu-quota", quota, "--cpu-burst", burst, ground.id);
      expect([value("cpu.cfs_quota_us"), value("cpu.cfs_burst_us")]).toEqual([quota, burst]);
    }
  });

  test.skipIf(reason !== "")("a controller that is not there is an error that names the file", async () => {
    const absent = CASES.find(({ controller }) => controller !== "hugetlb" && !present(controller));
    if (!absent) return;
    await using ground = new Ground();
    const { code, err } = await ground.run("true", (config) => {
      config.linux!.resources = { ...config.linux!.resources, ...absent.resources };
    });
    expect(code).toBe(1);
    expect(err).toContain(`cannot set ${absent.file}: the ${absent.controller} controller is not mounted`);
    expect(ground.leftovers()).toEqual([]);
  });
});

describe(`cgroups that are there already${reason && ` (skipped: ${reason})`}`, () => {
  test.skipIf(reason !== "")(
    "one with processes is refused, and neither they nor it are touched",
    async () => {
      await using ground = new Ground();
      const directory = at("pids", ground.id);
      mkdirSync(join(directory, "below"), { recursive: true });
      const sleeper = Bun.spawn(["sleep", "1000"]);
      try {
        writeFileSync(join(directory, "below", "cgroup.procs"), String(sleeper.pid));
        const { code, err } = await ground.run("true");
        expect(code).toBe(1);
        expect(err).toContain("container's cgroup is not empty: 1 process(es) found");
        expect(readFileSync(join(directory, "below", "cgroup.procs"), "utf8").trim()).toBe(
          String(sleeper.pid),
        );
        expect(existsSync(at("memory", ground.id))).toBe(false);
      } finally {
        sleeper.kill("SIGKILL");
        await sleeper.exited;
        rmdirSync(join(directory, "below"));
        rmdirSync(directory);
      }
      expect(ground.leftovers()).toEqual([]);
    },
  );

  test.skipIf(reason !== "")("a frozen one is refused, an empty one is used", async () => {
    await using ground = new Ground();
    const directory = at("freezer", ground.id);
    mkdirSync(directory);
    try {
      writeFileSync(join(directory, "freezer.state"), "FROZEN");
      const { code, err } = await ground.run("true");
      expect(code).toBe(1);
      expect(err).toContain("container's cgroup unexpectedly frozen");
      expect(statSync(directory).isDirectory()).toBe(true);
      writeFileSync(join(directory, "freezer.state"), "THAWED");
      expect((await ground.run("echo in")).out).toBe("in\n");
    } finally {
      if (existsSync(directory)) rmdirSync(directory);
    }
    expect(ground.leftovers()).toEqual([]);
  });
});
