// Our OCI spec against what dockerd 20.10 wrote for the same `docker run` (fixtures: paths and ids replaced, hooks removed).
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CAPABILITIES } from "../../src/roles/engine/oci/capabilities.ts";
import { parseSecurityOptions } from "../../src/roles/engine/oci/security.ts";
import { buildSpec, MASKED_PATHS, type SpecInput, specBytes } from "../../src/roles/engine/oci/spec.ts";
import { containerConfig } from "../../src/spec/engine/container.ts";
import { goJson } from "../../src/spec/engine/go-json.ts";
import { hostConfig } from "../../src/spec/engine/host-config.ts";
import type { Config, SeccompRule } from "../../src/spec/oci/runtime.ts";

function fixture<T>(name: string): T {
  return JSON.parse(
    readFileSync(join(import.meta.dir, "fixtures", `dockerd-20.10-${name}.json`), "utf8"),
  ) as T;
}

const FILES = ["resolv.conf", "hostname", "hosts"].map((name) => ({
  source: `/containers/ID/${name}`,
  destination: `/etc/${name}`,
}));

function input(config: object, host: object, more: Partial<SpecInput> = {}): SpecInput {
  return {
    id: "ID",
    config: goJson(
      containerConfig,
      { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], ...config },
      "ContainerConfig",
    ),
    host: goJson(hostConfig, { ShmSize: 67108864, ...host }, "HostConfig"),
    command: ["sleep", "1000"],
    hostname: "SHORTID",
    user: { uid: 0, gid: 0, additionalGids: [0], home: "/root" },
    mounts: [],
    files: FILES,
    namespaces: { pid: "private", ipc: "private", uts: "private", network: "private", cgroup: "host" },
    cgroupParent: "/docker",
    defaultUlimits: [],
    security: parseSecurityOptions(null, { noNewPrivileges: false, seccompProfile: "builtin" }),
    annotations: {},
    allCapabilities: CAPABILITIES,
    arch: "amd64",
    kernel: "6.18.0",
    ...more,
  };
}

// What dockerd writes although it means nothing: zeroes and the default of the OOM killer.
function withoutZeroes(spec: Config): Config {
  const { resources } = spec.linux!;
  const cpu = Object.fromEntries(Object.entries(resources?.cpu ?? {}).filter(([, value]) => value !== 0));
  const memory = Object.fromEntries(
    Object.entries(resources?.memory ?? {}).filter(([, value]) => value !== false),
  );
  const kept = { ...resources } as Record<string, unknown>;
  delete kept["blockIO"];
  delete kept["cpu"];
  delete kept["memory"];
  if (Object.keys(cpu).length > 0) kept["cpu"] = cpu;
  if (Object.keys(memory).length > 0) kept["memory"] = memory;
  return { ...spec, linux: { ...spec.linux, resources: kept } };
}

/** Ours without what differs on purpose: newer spec version, rootfs in the bundle, newer masked paths, explicit falses. */
function comparable(spec: Config, masked: string[] | undefined): Config {
  const plain = JSON.parse(new TextDecoder().decode(specBytes(spec))) as Config;
  delete plain.root;
  delete plain.annotations;
  delete plain.linux?.seccomp;
  if (plain.process?.noNewPrivileges === false) delete plain.process.noNewPrivileges;
  if (plain.process?.terminal === false) delete plain.process.terminal;
  expect(plain.linux?.maskedPaths).toEqual(expect.arrayContaining(masked ?? []));
  plain.linux!.maskedPaths = masked;
  return { ...plain, ociVersion: "1.0.2-dev" };
}

function compare(name: string, ours: SpecInput): void {
  const theirs = withoutZeroes(fixture<Config>(name));
  expect(comparable(buildSpec(ours), theirs.linux?.maskedPaths)).toEqual(theirs);
}

describe("like dockerd", () => {
  const sysctl = { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647" };

  test("plain container", () => {
    expect(buildSpec(input({}, {})).linux?.sysctl).toEqual(sysctl);
    compare("plain", input({}, {}));
  });

  test("read-only root with a terminal", () => {
    compare("readonly-tty", input({ Tty: true }, { ReadonlyRootfs: true }, { command: ["sh"] }));
  });

  test("many options", () => {
    const propagation = { nonRecursive: false };
    const ours = input(
      { Env: ["FOO=bar"], User: "nobody" },
      {
        Memory: 67108864,
        MemorySwap: 134217728,
        NanoCpus: 500000000,
        PidsLimit: 100,
        Ulimits: [{ Name: "nofile", Soft: 1024, Hard: 2048 }],
        CapAdd: ["NET_ADMIN"],
        CapDrop: ["chown"],
        ShmSize: 33554432,
        Sysctls: { "net.ipv4.ip_forward": "0" },
        Devices: [{ PathOnHost: "/dev/fuse", PathInContainer: "/dev/fuse", CgroupPermissions: "rwm" }],
      },
      {
        user: { uid: 65534, gid: 65534, additionalGids: [65534], home: "/" },
        init: "/run/docker-init",
        mounts: [
          {
            destination: "/named",
            kind: "volume",
            source: "/volumes/named/_data",
            readonly: false,
            propagation: "",
            ...propagation,
          },
          {
            destination: "/bind",
            kind: "bind",
            source: "/srv/bind",
            readonly: true,
            propagation: "rprivate",
            ...propagation,
          },
          { destination: "/tmpx", kind: "tmpfs", source: "", readonly: false, propagation: "" },
        ],
      },
    );
    const theirs = withoutZeroes(fixture<Config>("options"));
    // dockerd leaves a volume's propagation to the kernel; private is what that means there.
    theirs.mounts = theirs.mounts?.map((mount) =>
      mount.destination === "/named" ? { ...mount, options: ["rbind", "rprivate"] } : mount,
    );
    const sorted = (spec: Config): Config => ({
      ...spec,
      mounts: spec.mounts?.toSorted((a, b) => (a.destination < b.destination ? -1 : 1)),
    });
    const device = (spec: Config): Config => {
      // The node's mode and owner are this machine's.
      for (const node of spec.linux?.devices ?? []) Object.assign(node, { fileMode: 0, uid: 0, gid: 0 });
      return spec;
    };
    expect(device(sorted(comparable(buildSpec(ours), theirs.linux?.maskedPaths)))).toEqual(
      device(sorted(theirs)),
    );
  });

  test("seccomp allows what dockerd's allowed, but io_uring", () => {
    const names = (rules: SeccompRule[] | undefined): string[] => [
      ...new Set(
        (rules ?? []).filter((rule) => rule.action === "SCMP_ACT_ALLOW").flatMap((rule) => rule.names),
      ),
    ];
    const theirs = names(fixture<{ syscalls: SeccompRule[] }>("seccomp").syscalls);
    const ours = names(buildSpec(input({}, {})).linux?.seccomp?.syscalls);
    expect(theirs.filter((name) => !ours.includes(name) && !name.startsWith("io_uring"))).toEqual([]);
    expect(ours).not.toContain("io_uring_setup");
    expect(ours).not.toContain("mount");
  });
});

describe("options", () => {
  test("privileged: every capability and device, nothing masked, no filter", () => {
    const spec = buildSpec(input({}, { Privileged: true }));
    expect(spec.process?.capabilities?.bounding).toEqual([...CAPABILITIES]);
    expect(spec.linux?.seccomp).toBeUndefined();
    expect(spec.linux?.maskedPaths).toBeUndefined();
    expect(spec.linux?.readonlyPaths).toBeUndefined();
    expect(spec.linux?.resources?.devices).toEqual([{ allow: true, access: "rwm" }]);
    expect(spec.mounts?.find((mount) => mount.destination === "/sys")?.options).not.toContain("ro");
  });

  test("masked paths: null is the default, an empty list is none", () => {
    expect(buildSpec(input({}, {})).linux?.maskedPaths).toEqual([...MASKED_PATHS]);
    expect(buildSpec(input({}, { MaskedPaths: [] })).linux?.maskedPaths).toEqual([]);
  });

  test("joined namespaces", () => {
    const spec = buildSpec(
      input(
        {},
        { IpcMode: "host" },
        {
          namespaces: {
            pid: { path: "/proc/7/ns/pid" },
            ipc: "host",
            uts: "host",
            network: "host",
            cgroup: "private",
          },
        },
      ),
    );
    expect(spec.linux?.namespaces).toEqual([
      { type: "mount" },
      { type: "pid", path: "/proc/7/ns/pid" },
      { type: "cgroup" },
    ]);
    expect(spec.hostname).toBeUndefined();
    expect(spec.linux?.sysctl).toEqual({});
    expect(spec.mounts?.find((mount) => mount.destination === "/dev/shm")?.type).toBe("bind");
  });

  test("a mount over /dev takes what lies below with it", () => {
    const spec = buildSpec(
      input(
        {},
        {},
        { mounts: [{ destination: "/dev", kind: "bind", source: "/dev", readonly: false, propagation: "" }] },
      ),
    );
    expect(spec.mounts?.map((mount) => mount.destination).filter((path) => path.startsWith("/dev"))).toEqual([
      "/dev",
    ]);
  });

  test("unknown capability and bad options are refused with docker's words", () => {
    expect(() => buildSpec(input({}, { CapAdd: ["FOO"] }))).toThrow(
      'invalid CapAdd: unknown capability: "CAP_FOO"',
    );
    expect(() => buildSpec(input({}, { Devices: [{ PathOnHost: "/dev/nosuch" }] }))).toThrow(
      'error gathering device information while adding custom device "/dev/nosuch": no such file or directory',
    );
    expect(() => parseSecurityOptions(["foo"], { noNewPrivileges: false, seccompProfile: "" })).toThrow(
      'invalid --security-opt 1: "foo"',
    );
  });

  test("an unlimited rlimit is written as 2^64-1", () => {
    const spec = buildSpec(input({}, { Ulimits: [{ Name: "core", Soft: -1, Hard: -1 }] }));
    expect(new TextDecoder().decode(specBytes(spec))).toContain('"hard":18446744073709551615');
  });
});
