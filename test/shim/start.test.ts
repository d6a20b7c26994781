// `start` in each of the forms that containerd has had, and the options that it acts on.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { BootstrapParams, BootstrapResult } from "../../src/roles/shim/bootstrap.ts";
import { decode, encode, type Init, message } from "../../src/wire/ttrpc/codec.ts";
import { RuncOptions } from "../../src/wire/ttrpc/messages/types.ts";
import { Any } from "../../src/wire/ttrpc/messages/well-known.ts";
import { cannot, Host, until } from "./harness.ts";

const optionsOf = (options: Init<typeof RuncOptions>) => ({
  typeUrl: RuncOptions.name,
  value: encode(RuncOptions, options),
});

describe.skipIf(cannot !== undefined)(`start${cannot ? ` (${cannot})` : ""}`, () => {
  let host: Host;
  beforeAll(() => {
    host = new Host();
  });
  afterAll(() => host.close(), 30_000);

  test("containerd 1.x: runtime options in, the address out", async () => {
    const shim = await host.shim("plain").start(2, {}, encode(Any, optionsOf({ binaryName: "runc" })));
    expect(shim.answer).toBe(shim.socket);
    expect(readFileSync(`${shim.bundle}/address`, "utf8")).toBe(shim.socket);
    await shim.task.shutdown({ id: "plain" });
  }, 30_000);

  test("containerd 2.0 to 2.2: JSON with the version of the task service", async () => {
    const shim = await host.shim("json").start(3, { MAX_SHIM_VERSION: "3" });
    expect(JSON.parse(shim.answer)).toMatchObject({ version: 3, protocol: "ttrpc" });
    await shim.task.shutdown({ id: "json" });
  }, 30_000);

  test("containerd 2.3: protobuf both ways; events go where the parameters say", async () => {
    const params = encode(BootstrapParams, {
      instanceId: "proto",
      namespace: host.namespace,
      containerdTtrpcAddress: `${host.address}.ttrpc`,
      containerdGrpcAddress: host.address,
      extensions: [{ value: optionsOf({ binaryName: "runc" }) }],
    });
    const shim = await host.shim("proto", { args: ["/bin/true"] }).start(3, { TTRPC_ADDRESS: "" }, params);
    expect(decode(BootstrapResult, shim.bytes)).toMatchObject({ version: 3, protocol: "ttrpc" });
    await shim.create();
    await until("an event", () => host.topics().includes("/tasks/create"));
    await shim.task.delete({ id: "proto" });
    await shim.task.shutdown({ id: "proto" });
  }, 30_000);

  test("parameters of another container are runtime options that are not ours to read", async () => {
    const foreign = message("x", { instanceId: [1, "string"], namespace: [2, "string"] });
    const bytes = encode(foreign, { instanceId: "other", namespace: "n" });
    await expect(host.shim("wrong").start(2, {}, bytes)).rejects.toThrow('unsupported options type "other"');
  }, 30_000);

  test("a second start for the same container answers the living shim's address", async () => {
    const shim = await host.shim("twice").start();
    const { pid, socket } = shim;
    await shim.start();
    expect([shim.pid, shim.socket]).toEqual([pid, socket]);
    await shim.task.shutdown({ id: "twice" });
  }, 30_000);

  const cgroup = `shimtest-own-${process.pid}`;
  const hierarchy = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((each) =>
    existsSync(`${each}/cgroup.procs`),
  );
  test.skipIf(hierarchy === undefined)(
    "shim_cgroup: the shim runs there",
    async () => {
      mkdirSync(`${hierarchy}/${cgroup}`);
      try {
        const options = encode(Any, optionsOf({ shimCgroup: `/${cgroup}` }));
        const shim = await host.shim("housed").start(2, {}, options);
        expect(readFileSync(`/proc/${shim.pid}/cgroup`, "utf8")).toContain(`/${cgroup}\n`);
        await shim.task.shutdown({ id: "housed" });
        await until("its end", () => !existsSync(`/proc/${shim.pid}`));
        await expect(
          host.shim("homeless").start(2, {}, encode(Any, optionsOf({ shimCgroup: "/no-such-cgroup" }))),
        ).rejects.toThrow("failed to load cgroup /no-such-cgroup");
      } finally {
        rmdirSync(`${hierarchy}/${cgroup}`);
      }
    },
    30_000,
  );
});
