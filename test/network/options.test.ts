// What the engine is told, and where it runs: options, a host shared with others, missing rights. Needs root.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must, run } from "../support/process.ts";
import { HOST_IP, NEIGHBOUR_IP, published, put, visit, World } from "./world.ts";

const root = process.getuid?.() === 0;

describe.skipIf(!root)(`networks by their options${root ? "" : " (skipped: needs root)"}`, () => {
  let world: World | undefined;
  afterEach(async () => {
    await world?.[Symbol.asyncDispose]();
    world = undefined;
  });

  test("two engines on one host have a bridge, a subnet and a table each", async () => {
    world = await World.make();
    const one = await world.engine();
    const two = await world.engine([], undefined, "two");
    const first = await put(world, one, "a", [published(8080)]);
    const second = await put(world, two, "b", [published(8081)]);
    await first.sandbox.serve("a", 80);
    await second.sandbox.serve("b", 80);
    expect(second.endpoint.ipAddress).toBe("172.18.0.2");
    expect(await visit(world.neighbour.inside, HOST_IP, 8080)).toBe(`a ${NEIGHBOUR_IP}`);
    expect(await visit(world.neighbour.inside, HOST_IP, 8081)).toBe(`b ${NEIGHBOUR_IP}`);
    // The other engine's port is refused as any other program's is.
    await expect(
      two.call("allocate", {
        containerId: "c",
        containerName: "c",
        network: "bridge",
        ports: [published(8080)],
      }),
    ).rejects.toThrow("address already in use");
    expect((await world.ruleset()).match(/^table inet bunker-[0-9a-f]{8} \{$/gm)).toHaveLength(2);
    expect(await one.call("reconcile")).toEqual([]);
    expect(await two.call("reconcile")).toEqual([]);
  });

  test("a subnet that the host routes elsewhere is not taken; --bip decides; a bad one says so", async () => {
    world = await World.make();
    await must(["ip", "-n", world.host.name, "route", "add", "172.17.128.0/20", "via", NEIGHBOUR_IP]);
    const engine = await world.engine();
    expect((await engine.call("get", "bridge")).pools[0]!.subnet).toBe("172.18.0.0/16");
    await engine.kill();
    const second = await world.engine([], { bip: "10.77.0.1/24" });
    expect(await second.call("get", "bridge")).toMatchObject({
      pools: [{ subnet: "10.77.0.0/24", gateway: "10.77.0.1" }],
    });
    expect(await must(["ip", "-n", world.host.name, "-o", "-4", "address", "show", "docker0"])).toContain(
      "10.77.0.1/24",
    );
    await expect(world.engine([], { bip: "10.77.0.0/24" }, "bad")).rejects.toThrow(
      'invalid value "10.77.0.0/24" for --bip',
    );
  });

  test("a new network takes no subnet that the host routes elsewhere by then, of either family", async () => {
    world = await World.make();
    const engine = await world.engine();
    await must(["ip", "-n", world.host.name, "route", "add", "172.18.0.0/15", "via", NEIGHBOUR_IP]);
    const subnets = async (name: string) =>
      (await engine.call("create", { name, ipv6: true })).pools.map(({ subnet }) => subnet);
    const [four, six] = await subnets("one");
    expect(four).toBe("172.20.0.0/16");
    await must(["ip", "-n", world.host.name, "route", "add", "172.21.3.0/24", "dev", "lan0"]);
    const [next, other] = await subnets("two");
    expect(next).toBe("172.22.0.0/16");
    expect(other).not.toBe(six!);
    // A VPN that comes up over a network's subnet does not unmake it; nor is a host's own bridge in its way.
    expect((await engine.call("get", "one")).pools[0]!.subnet).toBe("172.20.0.0/16");
  });

  test("default-publish-address is where ports are published that name no address", async () => {
    world = await World.make();
    const engine = await world.engine([], { defaultPublishAddress: "127.0.0.1" });
    const plain = await put(world, engine, "plain", [published(8080)]);
    const open = await put(world, engine, "open", [published(8081, { hostIp: "0.0.0.0" })]);
    await plain.sandbox.serve("plain", 80);
    await open.sandbox.serve("open", 80);
    expect(plain.endpoint.ports).toEqual({ "80/tcp": [{ hostIp: "127.0.0.1", hostPort: 8080 }] });
    expect(await visit(world.host.inside, "127.0.0.1", 8080)).toBe("plain 172.17.0.1");
    expect(await visit(world.neighbour.inside, HOST_IP, 8080)).toBe("");
    expect(await visit(world.neighbour.inside, HOST_IP, 8081)).toBe(`open ${NEIGHBOUR_IP}`);
  });

  test("a bridge of the user's own is used as it is, and must be there", async () => {
    world = await World.make();
    const host = world.host.name;
    await expect(world.engine([], { bridge: "own0" }, "early")).rejects.toThrow(
      "bridge device with non default name own0 must be created manually",
    );
    await must(["ip", "-n", host, "link", "add", "own0", "type", "bridge"]);
    await must(["ip", "-n", host, "address", "add", "10.50.0.7/24", "dev", "own0"]);
    const engine = await world.engine([], { bridge: "own0", fixedCidr: "10.50.0.128/25" });
    const { endpoint } = await put(world, engine, "guest", []);
    expect(endpoint).toMatchObject({ ipAddress: "10.50.0.128", gateway: "10.50.0.7" });
    expect(await world.interfaces()).not.toContain("docker0");
  });

  test("--bridge=none touches nothing", async () => {
    world = await World.make();
    const engine = await world.engine([], { bridge: "none" });
    const { sandbox, endpoint } = await put(world, engine, "hermit", []);
    expect(endpoint).toMatchObject({ networkName: "none", ipAddress: "" });
    expect(await must(sandbox.inside(["ip", "-o", "link", "show", "lo"]))).toContain("UP");
    expect(await world.ruleset()).toBe("");
    expect((await world.interfaces()).sort()).toEqual(expect.not.arrayContaining(["docker0"]));
    expect((await engine.call("list")).map(({ name }) => name)).toEqual(["host", "none"]);
  });

  test("--iptables=false leaves the firewall alone and refuses to publish", async () => {
    world = await World.make();
    const engine = await world.engine([], { iptables: false });
    expect(await world.ruleset()).toBe("");
    await expect(put(world, engine, "web", [published(8080)])).rejects.toThrow("--iptables=false");
  });

  test("without inter-container communication containers do not reach each other, with br_netfilter or not", async () => {
    world = await World.make();
    const engine = await world.engine([], { icc: false });
    const one = await put(world, engine, "one", []);
    const two = await put(world, engine, "two", [published(8080)]);
    await two.sandbox.serve("two", 80);
    const inside = one.sandbox.inside.bind(one.sandbox);
    for (const filtered of ["1", "0"]) {
      await must(world.host.inside(["sysctl", "-qw", `net.bridge.bridge-nf-call-iptables=${filtered}`]));
      expect(await visit(inside, two.endpoint.ipAddress, 80, "tcp", 1)).toBe("");
      expect(await visit(world.neighbour.inside, HOST_IP, 8080)).toBe(`two ${NEIGHBOUR_IP}`);
    }
    expect(await visit(inside, HOST_IP, 8080)).toMatch(/^two /);
  });

  test("an engine with roots of its own leaves nothing when it stops, unless containers run", async () => {
    world = await World.make();
    const engine = await world.engine();
    await engine.call("create", { name: "shop" });
    const { endpoint } = await put(world, engine, "web", [published(8080)]);
    await engine.call("stop");
    expect(await world.ruleset()).toContain("tcp . 8080");
    const second = await world.engine(["web"]);
    await second.call("release", endpoint.endpointId, { live: true });
    await second.call("stop");
    expect(await world.ruleset()).toBe("");
    expect((await world.interfaces()).filter((name) => /^(docker|br-|veth)/.test(name))).toEqual([]);
    const third = await world.engine();
    expect((await third.call("get", "shop")).pools[0]!.subnet).toBe("172.18.0.0/16");
    expect((await world.interfaces()).filter((name) => name.startsWith("br-"))).toHaveLength(1);
  });

  test("a read-only /proc/sys is a warning with its reason", async () => {
    world = await World.make();
    const roots = mkdtempSync(join(tmpdir(), "bunker-network-"));
    const config = JSON.stringify({ dataRoot: join(roots, "data"), execRoot: join(roots, "exec") });
    const script = `mount -t proc proc /proc && echo 0 >/proc/sys/net/ipv4/ip_forward && mount -o bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"`;
    const { stdout, stderr } = await run(
      world.host.inside([
        ...["unshare", "--mount", "--fork", "--pid", "bash", "-c", script, "bash"],
        ...[process.execPath, join(import.meta.dir, "engine.ts"), config],
      ]),
      { stdin: '{"method":"start","args":[[]]}\n' },
    );
    expect(stderr).toContain("cannot set net/ipv4/ip_forward=1: containers reach nothing beyond this host");
    expect(stderr).toContain("EROFS");
    expect(stdout).toBe('{"ok":null}\n');
    rmSync(roots, { recursive: true });
  });

  test("without the privilege the error says what is missing", async () => {
    world = await World.make();
    const script = join(import.meta.dir, "engine.ts");
    const roots = mkdtempSync(join(tmpdir(), "bunker-network-"));
    const config = JSON.stringify({ dataRoot: join(roots, "data"), execRoot: join(roots, "exec") });
    const { stdout } = await run(
      world.host.inside([
        "setpriv",
        "--bounding-set=-net_admin",
        "--inh-caps=-net_admin",
        process.execPath,
        script,
        config,
      ]),
      { stdin: '{"method":"start","args":[[]]}\n' },
    );
    expect(stdout).toContain('error creating default \\"bridge\\" network: RTM_NEWLINK');
    expect(stdout).toContain("EPERM");
    rmSync(roots, { recursive: true });
  });
});
