// Engines that die, come back, share a host, or find it in disorder. Needs root.
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { must, run, until } from "../support/process.ts";
import { HOST_IP, NEIGHBOUR_IP, published, put, visit, World } from "./world.ts";

const root = process.getuid?.() === 0;

const veth = (endpointId: string) => `veth${endpointId.slice(0, 7)}`;

describe.skipIf(!root)(`networks over time${root ? "" : " (skipped: needs root)"}`, () => {
  let world: World | undefined;
  afterEach(async () => {
    await world?.[Symbol.asyncDispose]();
    world = undefined;
  });

  test("an engine killed and started again finds its containers as it left them", async () => {
    world = await World.make();
    const first = await world.engine();
    const alive = await put(world, first, "alive", [published(8080)]);
    const dead = await put(world, first, "dead", [published(8081)]);
    const network = await first.call("create", { name: "shop" });
    const shopper = await put(world, first, "shopper", [], "shop");
    await alive.sandbox.serve("alive", 80);
    await first.kill();
    // Nobody is there, and the port answers.
    expect(await visit(world.neighbour.inside, HOST_IP, 8080)).toBe(`alive ${NEIGHBOUR_IP}`);
    const before = await world.ruleset();
    await dead.sandbox.stop();

    const second = await world.engine(["alive", "shopper"]);
    expect(await second.call("endpoints", "alive")).toEqual([alive.endpoint]);
    expect(await second.call("endpoints", "dead")).toEqual([]);
    expect((await second.call("get", "shop")).id).toBe(network.id);
    expect((await second.call("get", "shop")).endpoints).toEqual([shopper.endpoint]);
    expect(await visit(world.neighbour.inside, HOST_IP, 8080)).toBe(`alive ${NEIGHBOUR_IP}`);
    const after = await world.ruleset();
    expect(after).toContain("tcp . 8080 : 172.17.0.2 . 80");
    expect(after).not.toContain("8081");
    expect(before).toContain("8081");
    // The address of the dead is free, that of the living is not, and its port is held again.
    const next = await put(world, second, "next", [published(8081)]);
    expect(next.endpoint.ipAddress).toBe("172.17.0.3");
    await expect(
      second.call("allocate", {
        containerId: "x",
        containerName: "x",
        network: "bridge",
        ports: [published(8080)],
      }),
    ).rejects.toThrow("port is already allocated");
    expect(await second.call("reconcile")).toEqual([]);
  });

  test("an open connection through a published port lives through kill, restart and a new table", async () => {
    world = await World.make();
    const first = await world.engine();
    const { sandbox } = await put(world, first, "talker", [published(8080, { containerPort: 7 })]);
    const server = world.keep(
      Bun.spawn(
        sandbox.inside([
          process.execPath,
          "-e",
          'Bun.listen({hostname:"0.0.0.0",port:7,socket:{data(s,d){s.write(d)}}});process.stdout.write("ready")',
        ]),
        { stdout: "pipe", stderr: "inherit" },
      ),
    );
    await server.stdout.getReader().read();
    const client = world.keep(
      Bun.spawn(
        world.neighbour.inside([
          "bash",
          "-c",
          `exec 3<>/dev/tcp/${HOST_IP}/8080; while read -r line; do echo "$line" >&3; read -r -t 5 answer <&3; echo "<$answer>"; done`,
        ]),
        { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
      ),
    );
    const reader = client.stdout.getReader();
    const say = async (text: string) => {
      client.stdin.write(`${text}\n`);
      await client.stdin.flush();
      return new TextDecoder().decode((await reader.read()).value).trim();
    };
    expect(await say("one")).toBe("<one>");
    await first.kill();
    expect(await say("two")).toBe("<two>");
    const second = await world.engine(["talker"]);
    expect(await say("three")).toBe("<three>");
    await must(world.host.inside(["nft", "flush", "ruleset"]));
    expect(await second.call("reconcile")).toHaveLength(1);
    expect(await say("four")).toBe("<four>");
  });

  test("what a killed engine left of dead containers goes, also interfaces and bridges that nobody wrote down", async () => {
    world = await World.make();
    const first = await world.engine();
    const { sandbox, endpoint } = await put(world, first, "gone", [published(8080)]);
    await first.kill();
    const host = world.host.name;
    await must(["ip", "-n", host, "link", "add", "veth0badbad", "type", "veth", "peer", "name", "other0"]);
    await must(["ip", "-n", host, "link", "set", "veth0badbad", "master", "docker0"]);
    const alias = JSON.parse(await must(["ip", "-n", host, "-j", "link", "show", "docker0"]))[0]
      .ifalias as string;
    await must(["ip", "-n", host, "link", "add", "br-forgotten", "type", "bridge"]);
    await must(["ip", "-n", host, "link", "set", "br-forgotten", "alias", alias.replace(/bridge$/, "lost")]);
    await must(["ip", "-n", host, "link", "add", "br-foreign", "type", "bridge"]);

    // The container's process still lives here: its interface is taken away all the same, because the engine knows it as dead.
    await world.engine([]);
    const interfaces = await world.interfaces();
    expect(interfaces).not.toContain(veth(endpoint.endpointId));
    expect(interfaces).not.toContain("veth0badbad");
    expect(interfaces).not.toContain("br-forgotten");
    expect(interfaces).toContain("br-foreign");
    expect(await world.ruleset()).not.toContain("8080");
    await sandbox.stop();
  });

  test("a bridge that somebody deleted comes back with its containers on it", async () => {
    world = await World.make();
    const engine = await world.engine();
    const { sandbox } = await put(world, engine, "web", [published(8080)]);
    await sandbox.serve("web", 80);
    await must(["ip", "-n", world.host.name, "link", "del", "docker0"]);
    // By itself: the engine hears of it.
    await until("the bridge", async () => (await world!.interfaces()).includes("docker0"));
    expect(await engine.call("reconcile")).toEqual([]);
    expect(await visit(world.neighbour.inside, HOST_IP, 8080)).toBe(`web ${NEIGHBOUR_IP}`);
  });

  test("a running container that loses its interface has it again, as it was", async () => {
    world = await World.make();
    const engine = await world.engine();
    const { sandbox, endpoint } = await put(world, engine, "web", [published(8080)]);
    await sandbox.serve("web", 80);
    const look = async () => [
      await must(sandbox.inside(["ip", "-o", "-4", "address", "show", "eth0"])),
      await must(sandbox.inside(["cat", "/proc/net/route"])),
    ];
    const mac = async () =>
      (await must(sandbox.inside(["ip", "-o", "link", "show", "eth0"]))).match(/ether \S+/)![0];
    const before = [...(await look()), await mac()].map((text) => text.replace(/^\d+/, ""));
    await must(["ip", "-n", world.host.name, "link", "del", veth(endpoint.endpointId)]);
    await until(
      "the interface",
      async () => (await run(sandbox.inside(["ip", "route", "get", NEIGHBOUR_IP]))).code === 0,
    );
    expect([...(await look()), await mac()].map((text) => text.replace(/^\d+/, ""))).toEqual(before);
    expect(await visit(world.neighbour.inside, HOST_IP, 8080)).toBe(`web ${NEIGHBOUR_IP}`);
    // Lost while no engine was there, it is back with the next one.
    await engine.kill();
    await must(["ip", "-n", world.host.name, "link", "del", veth(endpoint.endpointId)]);
    await world.engine(["web"]);
    expect(await visit(world.neighbour.inside, HOST_IP, 8080)).toBe(`web ${NEIGHBOUR_IP}`);
  });

  test("hairpin works without br_netfilter too", async () => {
    world = await World.make();
    await must(world.host.inside(["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0"]));
    const engine = await world.engine();
    const web = await put(world, engine, "web", [published(8080)]);
    const db = await put(world, engine, "db", []);
    await web.sandbox.serve("web", 80);
    for (const { sandbox } of [web, db]) {
      expect(await visit(sandbox.inside.bind(sandbox), HOST_IP, 8080)).toBe("web 172.17.0.1");
    }
    expect(await visit(db.sandbox.inside.bind(db.sandbox), web.endpoint.ipAddress, 80)).toBe(
      "web 172.17.0.3",
    );
  });

  test("a UDP client that keeps its port follows the service to its next container", async () => {
    world = await World.make();
    const engine = await world.engine();
    const port = published(5353, { containerPort: 53, protocol: "udp" });
    const client = world.keep(
      Bun.spawn(
        world.neighbour.inside([
          "bash",
          "-c",
          `exec 3<>/dev/udp/${HOST_IP}/5353; while read -r line; do echo "$line" >&3; timeout 1 dd bs=512 count=1 status=none <&3 || echo nobody; done`,
        ]),
        { stdin: "pipe", stdout: "pipe", stderr: "ignore" },
      ),
    );
    const reader = client.stdout.getReader();
    const ask = async () => {
      client.stdin.write("hello\n");
      await client.stdin.flush();
      return new TextDecoder().decode((await reader.read()).value).trim();
    };
    expect(await ask()).toBe("nobody");
    const one = await put(world, engine, "one", [port]);
    await one.sandbox.serve("one", 53, "udp");
    expect(await ask()).toBe(`one ${NEIGHBOUR_IP}`);
    // Another takes over: a different address, the same port.
    await engine.call("allocate", {
      containerId: "spacer",
      containerName: "spacer",
      network: "bridge",
      ports: [],
    });
    await one.sandbox.stop();
    await engine.call("release", one.endpoint.endpointId);
    await engine.call("allocate", {
      containerId: "filler",
      containerName: "filler",
      network: "bridge",
      ports: [],
    });
    const two = await put(world, engine, "two", [port]);
    expect(two.endpoint.ipAddress).toBe("172.17.0.4");
    await two.sandbox.serve("two", 53, "udp");
    expect(await ask()).toBe(`two ${NEIGHBOUR_IP}`);
  });

  test("a fresh container at a dead one's address is reached", async () => {
    world = await World.make();
    const engine = await world.engine();
    for (let round = 0; round < 20; round++) {
      const name = `round${round}`;
      const { sandbox, endpoint } = await put(world, engine, name, [published(8080)]);
      expect(endpoint.ipAddress).toBe("172.17.0.2");
      await sandbox.serve(name, 80);
      // The dead one's veth is still there, with the same address and MAC behind it: nobody may meet it.
      expect(await visit(world.neighbour.inside, HOST_IP, 8080)).toBe(`${name} ${NEIGHBOUR_IP}`);
      await sandbox.stop();
      await engine.call("release", endpoint.endpointId);
    }
    await until("the interfaces to go", async () =>
      (await world!.interfaces()).every((name) => !name.startsWith("veth")),
    );
  });

  test("attaching to a namespace that is gone fails clearly and leaves nothing", async () => {
    world = await World.make();
    const engine = await world.engine();
    const { endpointId } = await engine.call("allocate", {
      containerId: "x",
      containerName: "x",
      network: "bridge",
      ports: [published(8080)],
    });
    await expect(engine.call("attach", endpointId, "/proc/4194303/ns/net")).rejects.toThrow(
      /cannot open the container's network namespace: .*ENOENT/,
    );
    await expect(engine.call("attach", endpointId, "/dev/null")).rejects.toThrow("EINVAL");
    expect((await world.interfaces()).filter((name) => name.startsWith("veth"))).toEqual([]);
    await engine.call("release", endpointId);
    expect(await world.ruleset()).not.toContain("8080");
  });

  test("a damaged state file is set aside, not fatal", async () => {
    world = await World.make();
    const first = await world.engine();
    await first.call("create", { name: "shop" });
    await first.kill();
    const file = join(first.config.dataRoot, "network", "networks.json");
    expect(JSON.parse(readFileSync(file, "utf8")).networks).toHaveLength(4);
    const copy = join(first.config.execRoot, "network", "networks.json");
    await run(["truncate", "-s", "100", file]);
    const second = await world.engine();
    expect((await second.call("list")).map(({ name }) => name)).toEqual(["bridge", "host", "none", "shop"]);
    expect((await run(["ls", `${file}.damaged`])).code).toBe(0);
    await second.kill();
    await run(["truncate", "-s", "100", file, copy]);
    const third = await world.engine();
    expect((await third.call("list")).map(({ name }) => name)).toEqual(["bridge", "host", "none"]);
    // Its bridge has our mark and no network: it went with the record.
    expect((await world.interfaces()).filter((name) => name.startsWith("br-"))).toEqual([]);
  });

  test("a container on two networks has one default route, which the other takes over", async () => {
    world = await World.make();
    const engine = await world.engine();
    await engine.call("create", { name: "second" });
    const { sandbox, endpoint } = await put(world, engine, "both", []);
    const other = await engine.call("allocate", {
      containerId: "both",
      containerName: "both",
      network: "second",
      ports: [],
    });
    await engine.call("attach", other.endpointId, sandbox.netns);
    const routes = () => must(sandbox.inside(["ip", "route"]));
    expect(await routes()).toMatch(/^default via 172\.17\.0\.1 dev eth0 \n/);
    expect(await routes()).toContain("172.18.0.0/16 dev eth1");
    await engine.call("release", endpoint.endpointId, { live: true });
    expect(await routes()).toMatch(/^default via 172\.18\.0\.1 dev eth1 \n/);
  });

  test("hundreds of published ports are one transaction", async () => {
    world = await World.make();
    const engine = await world.engine();
    const ports = Array.from({ length: 700 }, (_, at) => published(20000 + at));
    const { endpoint } = await put(world, engine, "many", ports);
    expect((await world.ruleset()).match(/tcp \. 20\d\d\d : /g)).toHaveLength(700);
    await engine.call("release", endpoint.endpointId);
    expect(await world.ruleset()).not.toContain("tcp . 20");
  });
});
