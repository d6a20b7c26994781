// A real dockerd and an engine of ours on one host: neither's rules keep the other's containers from anybody. Needs root and
// Debian's docker.io.
import { afterEach, describe, expect, test } from "bun:test";
import { realDocker } from "../support/binary.ts";
import { type RealDaemon, realDockerd, startRealDaemon } from "../support/docker-io.ts";
import { busyboxImage } from "../support/images.ts";
import { must, until } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";
import { HOST_IP, NEIGHBOUR_IP, published, put, serve, visit, World } from "./world.ts";

const why =
  process.getuid?.() !== 0
    ? "needs root"
    : !realDockerd || !realDocker
      ? "Debian's docker.io is not installed"
      : !Bun.which("docker-registry")
        ? "docker-registry is not installed"
        : undefined;

describe.skipIf(why !== undefined)(`beside a real dockerd${why ? ` (skipped: ${why})` : ""}`, () => {
  let world: World | undefined;
  let daemon: RealDaemon | undefined;
  afterEach(async () => {
    // Stopped by the daemon it would have ten seconds.
    if (daemon) await theirs("rm", "-f", "theirs");
    await daemon?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    daemon = undefined;
    world = undefined;
  });

  const theirs = (...args: string[]) => must(world!.host.inside([realDocker!, "-H", daemon!.host, ...args]));

  /** A container of the real daemon that serves port 80 of its own. */
  async function realContainer(name: string, port: number): Promise<void> {
    await using registry = await startRegistry(world!.host);
    await registry.push(await busyboxImage(), "busybox:latest");
    const image = `${registry.address}/busybox`;
    await theirs("pull", "-q", image);
    await theirs("run", "-d", "--name", name, "-p", `${port}:80`, image, "sleep", "1000");
    const pid = (await theirs("inspect", "-f", "{{.State.Pid}}", name)).trim();
    world!.keep(await serve((command) => ["nsenter", `--net=/proc/${pid}/ns/net`, ...command], name, 80));
  }

  /** Each other's containers, the neighbour and the world are reached as if the other daemon were not there. */
  async function expectBoth(ours: Awaited<ReturnType<typeof put>>): Promise<void> {
    const neighbour = world!.neighbour.inside;
    expect(await visit(neighbour, HOST_IP, 8080)).toBe(`ours ${NEIGHBOUR_IP}`);
    expect(await visit(neighbour, HOST_IP, 8081)).toBe(`theirs ${NEIGHBOUR_IP}`);
    expect(await visit(world!.host.inside, "127.0.0.1", 8080)).toStartWith("ours ");
    expect(await visit(ours.sandbox.inside.bind(ours.sandbox), NEIGHBOUR_IP, 9000)).toBe(`world ${HOST_IP}`);
  }

  test("ours first: its containers stay reachable behind dockerd's rules, and after a flush of its chain", async () => {
    world = await World.make();
    const engine = await world.engine();
    const ours = await put(world, engine, "ours", [published(8080)]);
    await ours.sandbox.serve("ours", 80);
    world.keep(await serve(world.neighbour.inside, "world", 9000));
    // docker0 is taken: a bridge and a subnet of its own, as an administrator would give it.
    await must(["ip", "-n", world.host.name, "link", "add", "real0", "type", "bridge"]);
    await must(["ip", "-n", world.host.name, "address", "add", "10.98.0.1/24", "dev", "real0"]);
    // A dockerd that turns forwarding on itself also drops what it does not know.
    await must(world.host.inside(["sysctl", "-qw", "net.ipv4.ip_forward=0"]));
    daemon = await startRealDaemon(world.host, ["--bridge=real0"]);
    await realContainer("theirs", 8081);
    expect(await must(world.host.inside(["iptables", "-S", "FORWARD"]))).toContain("-P FORWARD DROP");
    await until("our bridges to be let through", async () => {
      return (await visit(world!.neighbour.inside, HOST_IP, 8080, "tcp", 1)) !== "";
    });
    await expectBoth(ours);
    await must(world.host.inside(["iptables", "-F", "FORWARD"]));
    await until("our bridges to be let through again", async () => {
      return (await visit(world!.neighbour.inside, HOST_IP, 8080, "tcp", 1)) !== "";
    });
    expect(await engine.call("reconcile")).toEqual([]);
  }, 60_000);

  test("dockerd first: ours takes another bridge and subnet, and leaves its rules as they are", async () => {
    world = await World.make();
    daemon = await startRealDaemon(world.host, []);
    await realContainer("theirs", 8081);
    const rules = async () =>
      (await must(world!.host.inside(["iptables-save"]))).replaceAll(/^#.*\n|\[\d+:\d+\]/gm, "");
    const before = await rules();
    const engine = await world.engine();
    expect((await engine.call("get", "bridge")).pools[0]!.subnet).toBe("172.18.0.0/16");
    const ours = await put(world, engine, "ours", [published(8080)]);
    await ours.sandbox.serve("ours", 80);
    world.keep(await serve(world.neighbour.inside, "world", 9000));
    await expectBoth(ours);
    await expect(put(world, engine, "third", [published(8081)])).rejects.toThrow("address already in use");
    await ours.sandbox.stop();
    await engine.call("release", ours.endpoint.endpointId, { live: true });
    await engine.call("stop");
    expect(await rules()).toBe(before);
    expect(await visit(world.neighbour.inside, HOST_IP, 8081)).toBe(`theirs ${NEIGHBOUR_IP}`);
  }, 60_000);
});
