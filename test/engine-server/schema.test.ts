// Request bodies as Go reads them.
import { describe, expect, test } from "bun:test";
import { toJson } from "../../src/roles/engine/server/stream.ts";
import { containerCreate } from "../../src/spec/engine/container.ts";
import { execCreate, execStart } from "../../src/spec/engine/exec.ts";
import { goJson } from "../../src/spec/engine/go-json.ts";
import { hostConfig } from "../../src/spec/engine/host-config.ts";

const create = (value: unknown) => goJson(containerCreate, value, "CreateRequest");

describe("Go's JSON habits", () => {
  test("keys match in any case, the exact one included", () => {
    expect(create({ image: "a", HOSTCONFIG: { memory: 1 } })).toMatchObject({
      Image: "a",
      HostConfig: { Memory: 1 },
    });
  });
  test("null is not given", () => {
    expect(create({ Image: null, Env: null, HostConfig: null })).toMatchObject({ Image: "", Env: null });
    expect(create(null)).toMatchObject({ Image: "" });
  });
  test("fractions are cut off", () => {
    expect(create({ StopTimeout: 10.0, HostConfig: { NanoCpus: 1.5e9, PidsLimit: 3.9 } })).toMatchObject({
      StopTimeout: 10,
      HostConfig: { NanoCpus: 1_500_000_000, PidsLimit: 3 },
    });
  });
  test("null elements are their type's zero", () => {
    expect(
      create({ Volumes: { "/a": null }, NetworkingConfig: { EndpointsConfig: { n: null } } }),
    ).toMatchObject({
      Volumes: { "/a": {} },
      NetworkingConfig: { EndpointsConfig: { n: { IPAMConfig: null, Aliases: null } } },
    });
    expect(create({ HostConfig: { PortBindings: { "80/tcp": null } } }).HostConfig?.PortBindings).toEqual({
      "80/tcp": null,
    });
  });
  test("a command may be one string", () => {
    expect(create({ Cmd: "ls", Entrypoint: ["a"] })).toMatchObject({ Cmd: ["ls"], Entrypoint: ["a"] });
  });
  test("unknown keys are ignored, dangerous ones too", () => {
    const body = create(JSON.parse('{"Nope": 1, "__proto__": {"x": 1}, "Labels": {"__proto__": "y"}}'));
    expect(body).not.toHaveProperty("Nope");
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
  test("wrong types are refused with their place", () => {
    expect(() => create({ HostConfig: { Memory: "1g" } })).toThrow(
      "json: cannot unmarshal string into Go struct field CreateRequest.HostConfig.Memory of type number",
    );
    expect(() => create({ Env: "A=b" })).toThrow("CreateRequest.Env");
    expect(() => create([])).toThrow("json: cannot unmarshal array into Go value of type CreateRequest");
    expect(() => create({ HostConfig: { Ulimits: [{ Name: 3 }] } })).toThrow("HostConfig.Ulimits.0.Name");
  });
});

describe("zero values", () => {
  test("an empty HostConfig is shown as the real engine shows it", () => {
    const empty = goJson(hostConfig, {}, "HostConfig");
    expect(Object.keys(JSON.parse(JSON.stringify(empty)))).toEqual([
      "Binds",
      "ContainerIDFile",
      "LogConfig",
      "NetworkMode",
      "PortBindings",
      "RestartPolicy",
      "AutoRemove",
      "VolumeDriver",
      "VolumesFrom",
      "ConsoleSize",
      "CapAdd",
      "CapDrop",
      "CgroupnsMode",
      "Dns",
      "DnsOptions",
      "DnsSearch",
      "ExtraHosts",
      "GroupAdd",
      "IpcMode",
      "Cgroup",
      "Links",
      "OomScoreAdj",
      "PidMode",
      "Privileged",
      "PublishAllPorts",
      "ReadonlyRootfs",
      "SecurityOpt",
      "UTSMode",
      "UsernsMode",
      "ShmSize",
      "Isolation",
      "CpuShares",
      "Memory",
      "NanoCpus",
      "CgroupParent",
      "BlkioWeight",
      "BlkioWeightDevice",
      "BlkioDeviceReadBps",
      "BlkioDeviceWriteBps",
      "BlkioDeviceReadIOps",
      "BlkioDeviceWriteIOps",
      "CpuPeriod",
      "CpuQuota",
      "CpuRealtimePeriod",
      "CpuRealtimeRuntime",
      "CpusetCpus",
      "CpusetMems",
      "Devices",
      "DeviceCgroupRules",
      "DeviceRequests",
      "MemoryReservation",
      "MemorySwap",
      "MemorySwappiness",
      "OomKillDisable",
      "PidsLimit",
      "Ulimits",
      "CpuCount",
      "CpuPercent",
      "IOMaximumIOps",
      "IOMaximumBandwidth",
      "MaskedPaths",
      "ReadonlyPaths",
    ]);
  });
  test("what was set comes back", () => {
    const given = {
      Binds: ["/a:/b:ro"],
      Tmpfs: { "/run": "" },
      Mounts: [{ Type: "volume", Source: "v", Target: "/d", VolumeOptions: { NoCopy: true } }],
      Init: false,
      MemorySwappiness: 0,
      OomKillDisable: false,
      ReadonlyPaths: [],
    };
    expect(JSON.parse(JSON.stringify(goJson(hostConfig, given, "HostConfig")))).toMatchObject(given);
  });
  test("exec", () => {
    expect(goJson(execCreate, { Cmd: ["ls"], AttachStdout: true }, "x")).toMatchObject({
      Cmd: ["ls"],
      Tty: false,
    });
    expect(goJson(execStart, {}, "x")).toMatchObject({ Detach: false, Tty: false });
  });
});

test("nanoseconds stay whole on the wire", () => {
  expect(toJson({ timeNano: 1732412345678901234n, a: [1n] })).toBe(
    '{"timeNano":1732412345678901234,"a":[1]}',
  );
});
