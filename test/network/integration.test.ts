// The engine's networks in real network namespaces: who reaches whom, and by what address. Needs root.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { PortRequest } from "../../src/roles/engine/network/index.ts";
import { must, until } from "../support/process.ts";
import { type EngineProcess, HOST_IP, NEIGHBOUR_IP, type Sandbox, serve, visit, World } from "./world.ts";

const root = process.getuid?.() === 0;
const needsRoot = root ? "" : " (skipped: needs root)";

const port = (containerPort: number, hostPort: number, rest: Partial<PortRequest> = {}): PortRequest => ({
  containerPort,
  protocol: "tcp",
  hostIp: "",
  hostPort,
  hostPortEnd: hostPort,
  ...rest,
});

const request = (name: string, ports: PortRequest[] = [], network = "bridge") => ({
  containerId: `id-of-${name}`,
  containerName: name,
  network,
  ports,
});

/** A sandbox on a network, serving TCP port 80 under its name. */
async function join(
  world: World,
  engine: EngineProcess,
  name: string,
  ports: PortRequest[] = [],
  network = "bridge",
) {
  const sandbox = await world.sandbox();
  const endpoint = await engine.call("allocate", request(name, ports, network));
  await engine.call("attach", endpoint.endpointId, sandbox.netns);
  await sandbox.serve(name, 80);
  return { sandbox, endpoint };
}

describe.skipIf(!root)(`one engine's networks${needsRoot}`, () => {
  let world: World;
  let engine: EngineProcess;
  let web: Sandbox;
  let db: Sandbox;
  let outside: (command: string[]) => string[];
  let host: (command: string[]) => string[];

  beforeAll(async () => {
    world = await World.make();
    outside = world.neighbour.inside;
    host = world.host.inside;
    engine = await world.engine();
    ({ sandbox: web } = await join(world, engine, "web", [
      port(80, 8080),
      port(80, 8081, { hostIp: "127.0.0.1" }),
      port(53, 5353, { protocol: "udp" }),
    ]));
    await web.serve("web", 53, "udp");
    ({ sandbox: db } = await join(world, engine, "db"));
    world.keep(await serve(outside, "neighbour", 80));
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("addresses are docker's: 172.17.0.2 upwards, MACs made of them", async () => {
    await expect(engine.call("endpoints", "id-of-db")).resolves.toMatchObject([
      {
        ipAddress: "172.17.0.3",
        macAddress: "02:42:ac:11:00:03",
        gateway: "172.17.0.1",
        ipPrefixLen: 16,
        networkName: "bridge",
      },
    ]);
  });

  test("containers reach one another by their own addresses", async () => {
    expect(await visit(db.inside.bind(db), "172.17.0.2", 80)).toBe("web 172.17.0.3");
  });

  test("the host reaches a container, a container the host", async () => {
    expect(await visit(host, "172.17.0.2", 80)).toBe("web 172.17.0.1");
    const server = world.keep(await serve(host, "host", 90));
    expect(await visit(web.inside.bind(web), "172.17.0.1", 90)).toBe("host 172.17.0.2");
    server.kill("SIGKILL");
    await server.exited;
  });

  test("a container gets out with the host's address", async () => {
    expect(await visit(web.inside.bind(web), NEIGHBOUR_IP, 80)).toBe(`neighbour ${HOST_IP}`);
  });

  test("a published port answers a neighbour, who is seen with its own address", async () => {
    expect(await visit(outside, HOST_IP, 8080)).toBe(`web ${NEIGHBOUR_IP}`);
    expect(await visit(outside, HOST_IP, 5353, "udp")).toBe(`web ${NEIGHBOUR_IP}`);
  });

  test("a published port answers on the host itself, at 127.0.0.1 and at its LAN address", async () => {
    expect(await visit(host, "127.0.0.1", 8080)).toBe("web 172.17.0.1");
    expect(await visit(host, HOST_IP, 8080)).toMatch(/^web /);
    expect(await visit(host, "127.0.0.1", 8081)).toBe("web 172.17.0.1");
    expect(await visit(host, "127.0.0.1", 5353, "udp")).toBe("web 172.17.0.1");
  });

  test("containers reach published ports too, even their own (hairpin)", async () => {
    expect(await visit(db.inside.bind(db), HOST_IP, 8080)).toBe("web 172.17.0.1");
    expect(await visit(web.inside.bind(web), HOST_IP, 8080)).toBe("web 172.17.0.1");
    expect(await visit(web.inside.bind(web), "172.17.0.1", 8080)).toBe("web 172.17.0.1");
  });

  test("a port published at 127.0.0.1 answers nobody else, whatever the neighbour's routes", async () => {
    await must(["ip", "-n", world.neighbour.name, "route", "add", "172.17.0.0/16", "via", HOST_IP]);
    expect(await visit(outside, HOST_IP, 8081, "tcp", 1)).toBe("");
    // An unpublished port is not reached by the container's own address either.
    expect(await visit(outside, "172.17.0.3", 80, "tcp", 1)).toBe("");
  });

  test("no container reaches what listens on the host's loopback only", async () => {
    await must(db.inside(["ip", "route", "add", "127.0.0.9/32", "via", "172.17.0.1", "table", "main"]));
    await must(db.inside(["ip", "address", "del", "127.0.0.1/8", "dev", "lo"]));
    await must(db.inside(["sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"]));
    const server = world.keep(await serve(host, "secret", 99));
    expect(await visit(db.inside.bind(db), "127.0.0.9", 99, "tcp", 1)).toBe("");
    server.kill("SIGKILL");
    await server.exited;
  });

  test("the kernel's table reads in nft(8) as the documentation shows it", async () => {
    const ruleset = await world.ruleset();
    expect(ruleset).toContain("elements = { tcp . 8080 : 172.17.0.2 . 80");
    expect(ruleset).toContain("elements = { 127.0.0.1 . tcp . 8081 : 172.17.0.2 . 80 }");
    expect(ruleset).toContain('elements = { "docker0" }');
    expect(ruleset).toContain("dnat ip to ip daddr . meta l4proto . th dport map @published");
    expect(ruleset).toContain("oifname @bridges ct status dnat ip saddr @subnets masquerade");
    expect(ruleset.match(/^table /gm)).toHaveLength(1);
  });

  test("a taken host port is refused in docker's words, and nothing stays reserved", async () => {
    const ask = (ports: PortRequest[]) => engine.call("allocate", request("late", ports));
    await expect(ask([port(80, 8082), port(80, 8080)])).rejects.toThrow(
      /^driver failed programming external connectivity on endpoint late \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/,
    );
    await expect(ask([port(80, 8080, { hostIp: "127.0.0.1" })])).rejects.toThrow(
      "Bind for 127.0.0.1:8080 failed: port is already allocated",
    );
    const server = world.keep(await serve(host, "other", 8088));
    await expect(ask([port(80, 8088)])).rejects.toThrow("0.0.0.0:8088/tcp: address already in use");
    server.kill("SIGKILL");
    await server.exited;
    await expect(ask([port(80, 8089, { hostIp: "203.0.113.9" })])).rejects.toThrow(
      "cannot assign requested address",
    );
    await expect(ask([port(80, 8089, { hostIp: "2001:db8::9" })])).rejects.toThrow(
      "cannot assign requested address",
    );
    const endpoint = await ask([port(80, 8082)]);
    expect(endpoint.ipAddress).toBe("172.17.0.4");
    await engine.call("release", endpoint.endpointId);
  });

  test("a held port is refused to the host's other programs", async () => {
    const taken = Bun.spawn(
      host(["bash", "-c", `exec ${process.execPath} ${import.meta.dir}/echo.ts thief 8080 tcp`]),
      { stdout: "ignore", stderr: "ignore" },
    );
    expect(await taken.exited).not.toBe(0);
  });

  test("ranges and ephemeral ports find a free one", async () => {
    const endpoint = await engine.call(
      "allocate",
      request("many", [
        port(80, 8079, { hostPortEnd: 8083 }),
        port(81, 8079, { hostPortEnd: 8083 }),
        port(82, 0),
      ]),
    );
    expect(endpoint.ports["80/tcp"]![0]!.hostPort).toBe(8079);
    // 8080 is web's; 8081 is free but for web's 127.0.0.1.
    expect(endpoint.ports["81/tcp"]![0]!.hostPort).toBe(8082);
    expect(endpoint.ports["82/tcp"]![0]!.hostPort).toBeGreaterThanOrEqual(32768);
    await engine.call("release", endpoint.endpointId);
  });

  test("what somebody flushed is put back", async () => {
    await must(host(["nft", "flush", "ruleset"]));
    expect(await visit(outside, HOST_IP, 8080, "tcp", 1)).toBe("");
    expect(await engine.call("reconcile")).toEqual([expect.stringMatching(/^nftables table inet bunker-/)]);
    expect(await visit(outside, HOST_IP, 8080)).toBe(`web ${NEIGHBOUR_IP}`);
    expect(await engine.call("reconcile")).toEqual([]);
  });

  test("networks of one's own are apart from each other, and share published ports", async () => {
    const created = await engine.call("create", { name: "shop", labels: { tier: "front" } });
    expect(created).toMatchObject({
      name: "shop",
      pools: [{ subnet: "172.18.0.0/16", gateway: "172.18.0.1" }],
    });
    const { sandbox, endpoint } = await join(world, engine, "cart", [], "shop");
    expect(endpoint.ipAddress).toBe("172.18.0.2");
    expect(await visit(sandbox.inside.bind(sandbox), NEIGHBOUR_IP, 80)).toBe(`neighbour ${HOST_IP}`);
    expect(await visit(sandbox.inside.bind(sandbox), "172.17.0.2", 80, "tcp", 1)).toBe("");
    expect(await visit(sandbox.inside.bind(sandbox), HOST_IP, 8080)).toMatch(/^web /);
    await expect(engine.call("remove", "shop")).rejects.toThrow(/has active endpoints \(name:"cart"/);
    // The running container leaves: its interface goes with it.
    await engine.call("release", endpoint.endpointId, { live: true });
    expect(await must(sandbox.inside(["ip", "-o", "link"]))).not.toContain("eth0");
    await engine.call("remove", "shop");
    expect((await world.interfaces()).filter((name) => name.startsWith("br-"))).toEqual([]);
    await expect(engine.call("get", "shop")).rejects.toThrow("network shop not found");
  });

  test("an internal network reaches its own and nothing else", async () => {
    await engine.call("create", {
      name: "vault",
      internal: true,
      pools: [{ subnet: "10.99.0.0/24", gateway: "10.99.0.254" }],
    });
    const { sandbox, endpoint } = await join(world, engine, "key", [], "vault");
    const { sandbox: other } = await join(world, engine, "door", [], "vault");
    expect(endpoint).toMatchObject({ ipAddress: "10.99.0.1", gateway: "" });
    expect(await visit(other.inside.bind(other), "10.99.0.1", 80)).toMatch(/^key /);
    await must(sandbox.inside(["ip", "route", "add", "default", "via", "10.99.0.254"]));
    expect(await visit(sandbox.inside.bind(sandbox), NEIGHBOUR_IP, 80, "tcp", 1)).toBe("");
    expect(await visit(sandbox.inside.bind(sandbox), HOST_IP, 8080, "tcp", 1)).toBe("");
    for (const name of ["key", "door"]) {
      for (const { endpointId } of await engine.call("endpoints", `id-of-${name}`)) {
        await engine.call("release", endpointId, { live: true });
      }
    }
    await engine.call("remove", "vault");
  });

  test("bad networks are refused and leave nothing", async () => {
    const before = await world.interfaces();
    const refuse = (body: object, text: string | RegExp) =>
      expect(engine.call("create", body)).rejects.toThrow(text as string);
    await refuse({ name: "bridge" }, "operation is not permitted on predefined bridge network");
    await refuse({ name: "a", driver: "overlay" }, "plugin overlay");
    await refuse(
      { name: "a", pools: [{ subnet: "172.17.4.0/24" }] },
      "Pool overlaps with other one on this address space",
    );
    await refuse({ name: "a", pools: [{ subnet: "10.0.0.0/33" }] }, "invalid subnet");
    await refuse(
      { name: "a", pools: [{ subnet: "10.0.0.0/24", gateway: "10.0.1.1" }] },
      "invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address",
    );
    await refuse({ name: "a", pools: [{ subnet: "10.0.0.1/24" }] }, "it should be 10.0.0.0/24");
    await refuse(
      { name: "a", pools: [{ subnet: "10.0.0.0/24" }, { subnet: "10.0.1.0/24" }] },
      "bridge driver doesn't support multiple subnets",
    );
    await refuse(
      { name: "a", options: { "com.docker.network.bridge.name": "lan0" } },
      "already exists on this host",
    );
    await refuse({ name: "a", options: { "com.docker.network.bridge.name": "docker0" } }, "same bridge name");
    await engine.call("list");
    await expect(engine.call("remove", "bridge")).rejects.toThrow(
      "bridge is a pre-defined network and cannot be removed",
    );
    expect(await world.interfaces()).toEqual(before);
  });

  test("setting up an endpoint with a published port is quick", async () => {
    const rounds: { allocate: number; attach: number }[] = [];
    for (let round = 0; round < 5; round++) {
      const sandbox = await world.sandbox();
      const timed = await engine.call(
        "timed",
        request(`timed${round}`, [port(80, 9000 + round)]),
        sandbox.netns,
      );
      rounds.push(timed);
      await sandbox.stop();
      await engine.call("release", timed.endpoint.endpointId);
    }
    const best = Math.min(...rounds.map(({ attach }) => attach));
    console.log(
      `attach + publish, best of 5: ${best.toFixed(2)} ms; allocate ${rounds[4]!.allocate.toFixed(2)} ms`,
    );
  });

  test("after the last container nothing of it is left", async () => {
    await web.stop();
    await db.stop();
    for (const name of ["web", "db"]) {
      for (const { endpointId } of await engine.call("endpoints", `id-of-${name}`)) {
        await engine.call("release", endpointId);
        await engine.call("release", endpointId);
      }
    }
    await until("the veths to go", async () =>
      (await world.interfaces()).every((name) => !name.startsWith("veth")),
    );
    expect(await world.ruleset()).not.toContain("172.17.0.2");
    expect((await engine.call("get", "bridge")).endpoints).toEqual([]);
    expect(await engine.call("reconcile")).toEqual([]);
    const { endpointId, ipAddress } = await engine.call("allocate", request("next", [port(80, 8080)]));
    expect(ipAddress).toBe("172.17.0.2");
    await engine.call("release", endpointId);
  });
});
