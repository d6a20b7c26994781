// macvlan and ipvlan, and SCTP: what depends on the kernel says so where it is missing. Needs root.
import { afterEach, describe, expect, test } from "bun:test";
import { must } from "../support/process.ts";
import { NEIGHBOUR_IP, published, put, visit, World } from "./world.ts";

const root = process.getuid?.() === 0;

/** Whether this kernel makes such devices: tried in a namespace of its own. */
function hasKind(kind: string): boolean {
  if (!root) return false;
  const script = `ip link add x0 type veth peer name x1 && ip link add link x0 name x2 type ${kind}`;
  return (
    Bun.spawnSync(["unshare", "--net", "sh", "-c", script], { stdout: "ignore", stderr: "ignore" })
      .exitCode === 0
  );
}

const ipvlan = hasKind("ipvlan");

describe.skipIf(!root)(`stacked networks${root ? "" : " (skipped: needs root)"}`, () => {
  let world: World | undefined;
  afterEach(async () => {
    await world?.[Symbol.asyncDispose]();
    world = undefined;
  });

  test("several subnets of a family: addresses of the first that has one, with its own gateway and width", async () => {
    world = await World.make();
    const engine = await world.engine();
    await engine.call("create", {
      name: "link",
      driver: "macvlan",
      options: { parent: "lan0" },
      pools: [
        { subnet: "10.90.0.0/30", gateway: "10.90.0.1" },
        { subnet: "10.91.0.0/24", gateway: "10.91.0.254" },
        { subnet: "fd00:90::/64" },
      ],
    });
    for (const address of ["10.90.0.1/30", "10.91.0.254/24"])
      await must(["ip", "-n", world.neighbour.name, "address", "add", address, "dev", "lan0"]);
    const first = await put(world, engine, "first", [], "link");
    const second = await put(world, engine, "second", [], "link");
    expect(first.endpoint).toMatchObject({ ipAddress: "10.90.0.2", ipPrefixLen: 30, gateway: "10.90.0.1" });
    expect(second.endpoint).toMatchObject({
      ipAddress: "10.91.0.1",
      ipPrefixLen: 24,
      gateway: "10.91.0.254",
    });
    expect(second.endpoint.ip6Address).toBe("fd00:90::3");
    await first.sandbox.serve("first", 80);
    await second.sandbox.serve("second", 80);
    expect(await visit(world.neighbour.inside, "10.90.0.2", 80)).toBe("first 10.90.0.1");
    expect(await visit(world.neighbour.inside, "10.91.0.1", 80)).toBe("second 10.91.0.254");
    // By the gateway of each, from one subnet to the other's neighbour.
    expect(await must(second.sandbox.inside(["ip", "route"]))).toMatch(/^default via 10\.91\.0\.254 /);
    const wanted = { containerId: "c", containerName: "c", network: "link", ports: [] };
    await expect(engine.call("allocate", { ...wanted, ipv4Address: "10.92.0.1" })).rejects.toThrow(
      "no configured subnet contains IP address 10.92.0.1",
    );
    const third = await engine.call("allocate", { ...wanted, ipv4Address: "10.91.0.77" });
    expect(third).toMatchObject({ ipAddress: "10.91.0.77", ipPrefixLen: 24 });
    await expect(
      engine.call("create", {
        name: "x",
        driver: "macvlan",
        options: { parent: "lan0" },
        pools: [{ subnet: "10.93.0.0/24" }, { subnet: "10.93.0.128/25" }],
      }),
    ).rejects.toThrow("Pool overlaps");
    // The record is read as it was written.
    await engine.kill();
    const again = await world.engine(["first", "second", "c"]);
    expect((await again.call("get", "link")).pools).toHaveLength(3);
    const next = { ...wanted, containerId: "d", containerName: "d" };
    expect((await again.call("allocate", next)).ipAddress).toBe("10.91.0.2");
  });

  test.skipIf(!ipvlan)(
    `ipvlan: a container on the host's link${ipvlan ? "" : " (skipped: this kernel has no ipvlan)"}`,
    async () => {
      world = await World.make();
      const engine = await world.engine();
      const pools = [{ subnet: "198.51.100.0/24", gateway: NEIGHBOUR_IP }];
      await engine.call("create", { name: "link", driver: "ipvlan", options: { parent: "lan0" }, pools });
      const { sandbox, endpoint } = await put(world, engine, "one", [], "link");
      await sandbox.serve("one", 80);
      expect(await visit(world.neighbour.inside, endpoint.ipAddress, 80)).toBe(`one ${NEIGHBOUR_IP}`);
    },
  );

  test.skipIf(ipvlan)(
    `a kernel without ipvlan says so, and nothing is left${ipvlan ? " (skipped: this kernel has it)" : ""}`,
    async () => {
      world = await World.make();
      const engine = await world.engine();
      const pools = [{ subnet: "198.51.100.0/24" }];
      await engine.call("create", { name: "link", driver: "ipvlan", options: { parent: "lan0" }, pools });
      await expect(put(world, engine, "one", [], "link")).rejects.toThrow(
        "this kernel has no ipvlan devices (CONFIG_IPVLAN is off, or its module is not loaded)",
      );
    },
  );

  test("SCTP ports are translated as others are; a kernel without SCTP cannot hold them, and that is all", async () => {
    world = await World.make();
    const engine = await world.engine();
    const { endpoint } = await put(world, engine, "one", [published(9999, { protocol: "sctp" })]);
    expect(endpoint.ports).toEqual({ "80/sctp": [{ hostIp: "0.0.0.0", hostPort: 9999 }] });
    expect(await world.ruleset()).toContain("sctp . 9999 : 172.17.0.2 . 80");
    await expect(
      engine.call("allocate", {
        containerId: "x",
        containerName: "x",
        network: "bridge",
        ports: [published(9999, { protocol: "sctp" })],
      }),
    ).rejects.toThrow("port is already allocated");
    await engine.call("release", endpoint.endpointId);
    expect(await world.ruleset()).not.toContain("sctp . 9999");
  });
});
