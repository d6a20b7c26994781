// The runtime's small parts, without root.
import { describe, expect, test } from "bun:test";
import * as capabilities from "../../ffi/constants/capability.ts";
import * as limits from "../../ffi/constants/resource.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { deviceRules } from "../../src/roles/runtime/cgroup/device-rules.ts";
import { inEitherOrder } from "../../src/roles/runtime/cgroup/files.ts";
import { parseMembership, parseMountinfo } from "../../src/roles/runtime/cgroup/hierarchy.ts";
import { cgroupOwner } from "../../src/roles/runtime/cgroup/ownership.ts";
import { containerCgroups } from "../../src/roles/runtime/cgroup/paths.ts";
import { settingsV1 } from "../../src/roles/runtime/cgroup/v1.ts";
import { applyV2, ioWeight, settingsV2, weightOfShares } from "../../src/roles/runtime/cgroup/v2.ts";
import { signalNumber } from "../../src/roles/runtime/container/kill.ts";
import { checkId } from "../../src/roles/runtime/container/state.ts";
import { defaultSpec } from "../../src/roles/runtime/default-spec.ts";
import { type FlagTable, integer, parseFlags, wholeNumber } from "../../src/roles/runtime/flags.ts";
import { CAPABILITY_NAMES, capabilitySets } from "../../src/roles/runtime/launch/capabilities.ts";
import { belowRoot } from "../../src/roles/runtime/launch/context.ts";
import { LIMIT_NAMES, limitWord } from "../../src/roles/runtime/launch/identity.ts";
import { parseMountOptions } from "../../src/roles/runtime/launch/mount-options.ts";
import { sysctlComplaint, sysctlFile } from "../../src/roles/runtime/launch/sysctl.ts";
import { table } from "../../src/roles/runtime/table.ts";
import type { Resources } from "../../src/spec/oci/runtime.ts";
import { parseConfig } from "../../src/spec/oci/runtime-validate.ts";

describe("cgroup hierarchies", () => {
  const HYBRID = `25 1 0:21 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
26 25 0:22 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
27 25 0:23 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
28 25 0:24 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
29 99 0:22 / /elsewhere\\040here rw,relatime - cgroup cgroup rw,cpu,cpuacct
`;
  const own = parseMembership("3:cpu,cpuacct:/jobs/7\n1:name=systemd:/\n0::/\n");

  test("v1 with a unified one beside it", () => {
    const cgroups = parseMountinfo(HYBRID);
    expect(cgroups.mode).toBe("hybrid");
    expect(cgroups.v1.map((one) => one.controllers)).toEqual([["cpu", "cpuacct"], ["name=systemd"]]);
    expect(containerCgroups(cgroups, own, undefined, "c1")).toEqual({
      cpu: "/sys/fs/cgroup/cpu,cpuacct/jobs/7/c1",
      cpuacct: "/sys/fs/cgroup/cpu,cpuacct/jobs/7/c1",
      "name=systemd": "/sys/fs/cgroup/systemd/c1",
      "": "/sys/fs/cgroup/unified/c1",
    });
    expect(containerCgroups(cgroups, own, "/docker/../../x/c1", "c1")["cpu"]).toBe(
      "/sys/fs/cgroup/cpu,cpuacct/x/c1",
    );
  });

  test("v2 alone, and none", () => {
    expect(parseMountinfo("30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n").mode).toBe("v2");
    const v2 = parseMountinfo("30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    const inside = parseMembership("0::/user.slice/session.scope\n");
    expect(containerCgroups(v2, inside, undefined, "c1")).toEqual({ "": "/sys/fs/cgroup/user.slice/c1" });
    expect(containerCgroups(v2, inside, "/docker/c1", "c1")).toEqual({ "": "/sys/fs/cgroup/docker/c1" });
    expect(parseMountinfo("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n").mode).toBe("none");
  });

  test("systemd's form of a path is refused, not misread", () => {
    expect(() => containerCgroups(parseMountinfo(HYBRID), own, "system.slice:runc:c1", "c1")).toThrow(
      "--systemd-cgroup is not given",
    );
  });
});

describe("limits", () => {
  test("v1 files", () => {
    expect(
      settingsV1({
        memory: { limit: 1 << 20, swap: -1, swappiness: 0 },
        cpu: { shares: 512, cpus: "0" },
        pids: { limit: -1 },
      }).map(({ file, value }) => `${file}=${value}`),
    ).toEqual([
      "memory.limit_in_bytes=1048576",
      "memory.memsw.limit_in_bytes=-1",
      "memory.swappiness=0",
      "cpu.shares=512",
      "cpuset.cpus=0",
      "pids.max=max",
    ]);
  });

  test("v2 files from the same numbers", () => {
    expect(
      settingsV2({
        memory: { limit: 1000, swap: 1500, reservation: -1 },
        cpu: { quota: 50000, period: 100000, shares: 1024 },
        pids: { limit: 5 },
        unified: { "memory.high": "9" },
      }),
    ).toEqual([
      ["memory.swap.max", "500"],
      ["memory.max", "1000"],
      ["memory.low", "max"],
      ["cpu.weight", "39"],
      ["cpu.max", "50000 100000"],
      ["pids.max", "5"],
      ["memory.high", "9"],
    ]);
    expect(() => settingsV2({ memory: { limit: 10, swap: 5 } })).toThrow("should be >= memory limit");
    expect(() => settingsV2({ unified: { "../x": "1" } })).toThrow("no slashes");
    expect([weightOfShares(2), weightOfShares(262144), ioWeight(10), ioWeight(1000)]).toEqual([
      1, 10000, 1, 10000,
    ]);
  });

  test("the rarer ones: huge pages, RDMA, block devices, network classes, on both", () => {
    const rare = {
      hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }],
      rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10000 }, rxe3: { hcaObjects: 7 } },
      blockIO: {
        weight: 500,
        leafWeight: 300,
        weightDevice: [{ major: 8, minor: 0, weight: 100, leafWeight: 50 }],
        throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 600 }],
        throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 601 }],
        throttleReadIOPSDevice: [{ major: 8, minor: 16, rate: 300 }],
        throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 301 }],
      },
      cpu: { period: 1000, burst: 10, quota: 500, idle: 1, cpus: "0-1", mems: "0" },
    };
    expect(
      settingsV1({
        ...rare,
        cpu: { ...rare.cpu, realtimePeriod: 2000, realtimeRuntime: 1000 },
        network: { classID: 1048577, priorities: [{ name: "eth0", priority: 5 }] },
      }).map(({ controller, file, value }) => `${controller} ${file}=${value}`),
    ).toEqual([
      "cpu cpu.idle=1",
      "cpu cpu.cfs_period_us=1000",
      "cpu cpu.cfs_burst_us=10",
      "cpu cpu.cfs_quota_us=500",
      "cpu cpu.rt_period_us=2000",
      "cpu cpu.rt_runtime_us=1000",
      "cpuset cpuset.cpus=0-1",
      "cpuset cpuset.mems=0",
      "blkio blkio.weight=500",
      "blkio blkio.leaf_weight=300",
      "blkio blkio.weight_device=8:0 100",
      "blkio blkio.leaf_weight_device=8:0 50",
      "blkio blkio.throttle.read_bps_device=8:0 600",
      "blkio blkio.throttle.write_bps_device=8:0 601",
      "blkio blkio.throttle.read_iops_device=8:16 300",
      "blkio blkio.throttle.write_iops_device=8:16 301",
      "hugetlb hugetlb.2MB.limit_in_bytes=4194304",
      "hugetlb hugetlb.2MB.rsvd.limit_in_bytes=4194304",
      "rdma rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
      "rdma rdma.max=rxe3 hca_object=7",
      "net_cls net_cls.classid=1048577",
      "net_prio net_prio.ifpriomap=eth0 5",
    ]);
    expect(settingsV2(rare).map((pair) => pair.join("="))).toEqual([
      "cpu.idle=1",
      "cpu.max=500 1000",
      "cpu.max.burst=10",
      "cpuset.cpus=0-1",
      "cpuset.mems=0",
      "io.weight=default 4950",
      "io.weight=8:0 910",
      "io.max=8:0 rbps=600",
      "io.max=8:0 wbps=601",
      "io.max=8:16 riops=300",
      "io.max=8:16 wiops=301",
      "hugetlb.2MB.max=4194304",
      "hugetlb.2MB.rsvd.max=4194304",
      "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
      "rdma.max=rxe3 hca_object=7",
    ]);
  });

  test("what one limit forbids another at first is written again", () => {
    const written: string[] = [];
    let quota = 100;
    const settings = [
      ["burst", 200],
      ["quota", 300],
    ] as const;
    inEitherOrder(settings, ([name, value]) => {
      if (name === "burst" && value > quota)
        throw new Error("failed", { cause: new SyscallError("write", 22, "cpu.cfs_burst_us") });
      if (name === "quota") quota = value;
      written.push(name);
    });
    expect(written).toEqual(["quota", "burst"]);
  });

  test("v2 has no counterpart for some of v1, and says which", () => {
    const refused = (resources: Resources) => () => applyV2("/nowhere", resources);
    expect(refused({ memory: { swappiness: 10 } })).toThrow(
      "linux.resources.memory.swappiness cannot be set",
    );
    expect(refused({ cpu: { realtimeRuntime: 5 } })).toThrow("linux.resources.cpu.realtimeRuntime");
    expect(refused({ network: { classID: 5 } })).toThrow("linux.resources.network.classID");
  });

  test("the cgroup's owner on v2: its user, where the view is its own and writable", () => {
    const v2 = parseMountinfo("30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    const config = defaultSpec(false);
    const at = config.mounts!.find(({ destination }) => destination === "/sys/fs/cgroup")!;
    config.process!.user.uid = 1000;
    expect(cgroupOwner(config, v2)).toBeUndefined();
    at.options = ["nosuid"];
    config.linux!.namespaces = [{ type: "cgroup" }];
    expect(cgroupOwner(config, v2)).toBe(1000);
    config.linux!.namespaces.push({ type: "user" });
    config.linux!.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
    expect(cgroupOwner(config, v2)).toBe(101000);
    config.linux!.namespaces = [{ type: "cgroup", path: "/proc/1/ns/cgroup" }];
    expect(cgroupOwner(config, v2)).toBeUndefined();
  });

  test("device rules: all off, then what is allowed, with what every container may use", () => {
    const rules = deviceRules([
      { allow: false, access: "rwm" },
      { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
    ]);
    expect(rules[0]).toEqual({ file: "devices.deny", value: "a" });
    expect(rules).toContainEqual({ file: "devices.allow", value: "c 10:229 rw" });
    expect(rules).toContainEqual({ file: "devices.allow", value: "c 1:3 rwm" });
    expect(deviceRules([{ allow: true, access: "rwm" }])).toEqual([{ file: "devices.allow", value: "a" }]);
    expect(deviceRules([])).toEqual([]);
  });

  test("rlimits keep all 64 bits", () => {
    expect(limitWord(2 ** 64)).toBe(0xffffffffffffffffn);
    expect(limitWord(1024)).toBe(1024n);
  });
});

test("mount options: attributes, recursion, propagation, and the file system's own", () => {
  expect(
    parseMountOptions([
      "rbind",
      "ro",
      "nosuid",
      "rprivate",
      "rnoexec",
      "strictatime",
      "mode=755",
      "defaults",
    ]),
  ).toMatchObject({
    bind: true,
    recursiveBind: true,
    attributes: { set: 0x1 | 0x2 | 0x20, clear: 0x70 },
    recursive: { set: 0x8, clear: 0 },
    propagation: [{ name: "MS_PRIVATE", recursive: true }],
    data: ["mode=755"],
  });
  expect(parseMountOptions(["ro", "rw"]).attributes).toEqual({ set: 0, clear: 1 });
  expect(parseMountOptions(["rro"]).recursive).toEqual({ set: 1, clear: 0 });
});

test("capabilities: numbers are the kernel's, and what is not to be had is left out with a warning", () => {
  expect(CAPABILITY_NAMES).toHaveLength(41);
  expect(CAPABILITY_NAMES.indexOf("CAP_SETFCAP")).toBe(31);
  expect(CAPABILITY_NAMES.indexOf("CAP_CHECKPOINT_RESTORE")).toBe(40);
  const warnings: string[] = [];
  const sets = capabilitySets({ bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_NOPE"] }, 1n, (message) =>
    warnings.push(message),
  );
  expect(sets.bounding).toBe(1n);
  expect(warnings).toEqual(["ignoring unknown or unavailable capabilities: [CAP_KILL CAP_NOPE]"]);
});

test("paths in the container cannot climb out", () => {
  expect(belowRoot("/../../etc//passwd/.")).toBe("etc/passwd");
  expect(belowRoot("/a/../..")).toBe(".");
});

test("sysctls: only those of a namespace the container does not share", () => {
  const own = new Set(["network", "ipc"] as const);
  expect(sysctlComplaint("net.ipv4.ip_forward", own)).toBeUndefined();
  expect(sysctlComplaint("kernel.shmmax", own)).toBeUndefined();
  expect(sysctlComplaint("net.ipv4.ip_forward", new Set())).toContain(
    "not allowed in host network namespace",
  );
  expect(sysctlComplaint("kernel.panic", own)).toContain("not in a separate kernel namespace");
  expect(sysctlComplaint("kernel.hostname", own)).toContain("conflicts");
  expect(sysctlFile("net/ipv4/conf/eth0.1/forwarding")).toBe("/proc/sys/net/ipv4/conf/eth0.1/forwarding");
});

test("flags: every way callers write them, and the first word ends them", () => {
  const flags = {
    bundle: { names: ["bundle", "b"], kind: "text", about: "" },
    force: { names: ["force", "f"], kind: "boolean", about: "" },
    env: { names: ["env", "e"], kind: "list", about: "" },
    n: { names: ["preserve-fds"], kind: "text", about: "", check: wholeNumber },
  } as const satisfies FlagTable;
  expect(parseFlags(flags, ["--bundle", "x", "-f", "-e=A=1", "--env", "B=2", "id", "-b", "y"])).toEqual({
    flags: { bundle: "x", force: true, env: ["A=1", "B=2"] },
    rest: ["id", "-b", "y"],
  });
  expect(parseFlags(flags, ["-bundle=z", "--force=false", "--", "-x"])).toEqual({
    flags: { bundle: "z", force: false },
    rest: ["-x"],
  });
  expect(() => parseFlags(flags, ["--nope"])).toThrow("flag provided but not defined: -nope");
  expect(() => parseFlags(flags, ["--bundle"])).toThrow("flag needs an argument: -bundle");
  expect(integer(parseFlags(flags, ["--preserve-fds", "3"]), "n")).toBe(3);
  expect(() => parseFlags(flags, ["--preserve-fds", "many"])).toThrow(
    'invalid value "many" for flag -preserve-fds: parse error',
  );
});

test("signals by number and name", () => {
  expect(["9", "KILL", "SIGKILL", "sigterm", "SIGRTMIN+3", "RTMAX"].map(signalNumber)).toEqual([
    9, 9, 9, 15, 37, 64,
  ]);
  expect(() => signalNumber("NOPE")).toThrow('unknown signal "NOPE"');
  // Numbers are the kernel's to judge.
  expect(signalNumber("65")).toBe(65);
});

test("ids that would leave their directory are refused", () => {
  for (const id of ["..", ".", "a/b", "", "a b", "\n"]) expect(() => checkId(id)).toThrow();
  checkId("a_B-1.2+3");
});

test("the written spec is a document this runtime accepts", () => {
  for (const rootless of [false, true]) {
    const config = parseConfig(JSON.stringify(defaultSpec(rootless)));
    expect(config.linux?.maskedPaths).toContain("/proc/kcore");
    expect(config.linux?.namespaces?.map(({ type }) => type)).toContain("mount");
  }
});

test("tables have runc's columns", () => {
  expect(
    table([
      ["ID", "PID"],
      ["a-long-container-id", "1"],
    ]),
  ).toBe("ID                    PID\na-long-container-id   1\n");
});

test("names in the order of the kernel's numbers", () => {
  const inOrder = (constants: object) =>
    Object.entries(constants)
      .filter((entry): entry is [string, number] => typeof entry[1] === "number")
      .sort((a, b) => a[1] - b[1])
      .map(([name]) => name);
  expect([...CAPABILITY_NAMES]).toEqual(inOrder(capabilities));
  expect([...LIMIT_NAMES]).toEqual(inOrder(limits));
});
