// Golden plans: the order of system calls is the runtime's behaviour. UPDATE_GOLDEN=1 writes them anew; read the diff.
import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderPlan } from "../../src/launcher/render.ts";
import { parseMountinfo } from "../../src/roles/runtime/cgroup/hierarchy.ts";
import { containerCgroups } from "../../src/roles/runtime/cgroup/paths.ts";
import { defaultSpec } from "../../src/roles/runtime/default-spec.ts";
import { ALL_CAPABILITIES, capabilitySets } from "../../src/roles/runtime/launch/capabilities.ts";
import { type CreateFacts, createPlan } from "../../src/roles/runtime/launch/create-plan.ts";
import { type ExecFacts, execPlan } from "../../src/roles/runtime/launch/exec-plan.ts";
import { takeOutside } from "../../src/roles/runtime/launch/outside.ts";
import { compileFilter } from "../../src/roles/runtime/seccomp/compile.ts";
import type { Config } from "../../src/spec/oci/runtime.ts";

function golden(name: string, text: string): void {
  const path = join(import.meta.dir, "golden", `${name}.txt`);
  if (process.env["UPDATE_GOLDEN"] || !existsSync(path)) writeFileSync(path, text);
  expect(text).toBe(readFileSync(path, "utf8"));
}

const V1 = parseMountinfo(`1 0 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
2 0 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
`);
const V2 = parseMountinfo("1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");

function facts(config: Config, change: Partial<CreateFacts> = {}): CreateFacts {
  const cgroups = change.cgroups ?? V1;
  return {
    arch: "x64",
    id: "c1",
    fds: { preserve: 0, go: 3, start: 4, console: -1, report: 5 },
    rootfs: "/bundle/rootfs",
    sharedParent: undefined,
    cgroups,
    cgroupPaths: containerCgroups(cgroups, new Map(), "/test/c1", "c1"),
    sourceKind: (source) => ({ kind: source.endsWith(".conf") ? "file" : "directory", link: undefined }),
    exists: (path) => ["proc", "dev", "sys", "tmp"].includes(path),
    modeOf: () => undefined,
    hostHasKcore: true,
    oomScoreAdj: undefined,
    noPivot: false,
    keyring: true,
    hooks: false,
    execLabel: undefined,
    mountLabel: undefined,
    capabilities: capabilitySets(config.process?.capabilities, ALL_CAPABILITIES, () => {}),
    knownCapabilities: ALL_CAPABILITIES,
    ownStdio: [],
    nullStdio: [],
    inUserNamespace: false,
    keepGroups: false,
    hostDevices: false,
    mappedByUser: false,
    filter: undefined,
    withListener: undefined,
    rare: undefined,
    prepared: [],
    outside: undefined,
    env: ["PATH=/usr/bin:/bin", "HOME=/"],
    ...change,
  };
}

test("runc spec's container on v1", () => {
  const config = defaultSpec(false);
  config.process!.terminal = false;
  golden("default-v1", renderPlan(createPlan(config, facts(config))));
});

test("on v2 the clone itself enters the cgroup; the arm64 plan differs only in its head line", () => {
  const config = defaultSpec(false);
  config.process!.terminal = false;
  config.linux!.namespaces!.push({ type: "cgroup" });
  const text = renderPlan(createPlan(config, facts(config, { cgroups: V2 })));
  golden("default-v2", text);
  const arm64 = renderPlan(createPlan(config, facts(config, { cgroups: V2, arch: "arm64" })));
  expect(arm64.replace("(arm64,", "(x64,")).toBe(text);
});

test("a container with everything: user namespace, terminal, binds, devices, sysctls, seccomp, hooks, joined namespaces", () => {
  const config = defaultSpec(false);
  const process = config.process!;
  process.consoleSize = { height: 24, width: 80 };
  process.user = { uid: 1000, gid: 1000, additionalGids: [5, 6], umask: 0o77 };
  process.args = ["/bin/app", "-x"];
  process.cwd = "/srv/app";
  process.oomScoreAdj = 100;
  config.mounts!.push(
    { destination: "/data/deep", type: "bind", source: "/srv/data", options: ["rbind", "ro", "rprivate"] },
    { destination: "/etc/resolv.conf", type: "bind", source: "/run/resolv.conf", options: ["bind"] },
  );
  const linux = config.linux!;
  linux.namespaces = [
    { type: "user" },
    { type: "pid" },
    { type: "mount" },
    { type: "ipc" },
    { type: "uts" },
    { type: "time" },
    { type: "network", path: "/run/netns/x" },
  ];
  linux.timeOffsets = { boottime: { secs: 100 } };
  linux.sysctl = { "net.ipv4.ip_forward": "1" };
  linux.devices = [{ path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o660, uid: 0, gid: 7 }];
  linux.rootfsPropagation = "rslave";
  golden(
    "everything",
    renderPlan(
      createPlan(
        config,
        facts(config, {
          fds: { preserve: 1, go: 4, start: 5, console: 6, report: 7 },
          hooks: true,
          inUserNamespace: true,
          outside: takeOutside,
          oomScoreAdj: 100,
          filter: compileFilter(
            { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["reboot"], action: "SCMP_ACT_ERRNO" }] },
            "x64",
          ),
        }),
      ),
    ),
  );
});

test("exec joins by the process's descriptor", () => {
  const config = defaultSpec(false);
  const process = { ...config.process!, args: ["ls"], terminal: false };
  const execFacts: ExecFacts = {
    ...facts(config),
    fds: { preserve: 0, go: 3, start: -1, console: -1, report: 5 },
    initFd: 4,
    initPid: 4711,
    namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"],
    v1: ["/sys/fs/cgroup/memory/test/c1"],
    unified: "/sys/fs/cgroup/unified/test/c1",
    ownRoot: false,
    affinity: { initial: undefined, final: undefined },
  };
  golden("exec", renderPlan(execPlan(process, execFacts)));
});

test("a copy of the root over the root, and what needs a mount namespace that is not there, are refused", () => {
  const config = defaultSpec(false);
  config.mounts = [{ destination: "/x/..", type: "tmpfs", options: ["tmpcopyup"] }];
  expect(() => createPlan(config, facts(config))).toThrow("tmpcopyup is not possible over the root itself");
  const bare = defaultSpec(false);
  bare.linux!.namespaces = [{ type: "pid" }];
  expect(() => createPlan(bare, facts(bare))).toThrow(
    "unable to restrict sys entries without a private MNT namespace",
  );
});
