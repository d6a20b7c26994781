// Packets of more than 64 KiB between the host and its containers. Needs root.
import { afterEach, describe, expect, test } from "bun:test";
import { O_RDONLY } from "../../ffi/constants/fcntl.ts";
import { open } from "../../ffi/file.ts";
import { findLink, type LinkInfo, setLink } from "../../ffi/netlink/route/link.ts";
import { NetlinkSocket } from "../../ffi/netlink/socket.ts";
import { inNetns } from "../../ffi/netns.ts";
import { childEnvironment } from "../../src/self.ts";
import { must } from "../support/process.ts";
import { published, put, World } from "./world.ts";

const USUAL = 65536;
const BYTES = 64 << 20;

function loopbackHere(): LinkInfo {
  using socket = NetlinkSocket.open("route");
  return findLink(socket, "lo")!;
}
const known = loopbackHere().gsoIpv4Max !== undefined;
const why =
  process.getuid?.() !== 0
    ? "needs root"
    : known
      ? undefined
      : "this kernel has no such limit for IPv4 (before 6.3)";

/** Says the sha256 of the first BYTES it is sent. */
const SERVER = `
const hash = new Bun.CryptoHasher("sha256");
let count = 0;
Bun.listen({ hostname: "0.0.0.0", port: 80, socket: { data(socket, bytes) {
  hash.update(bytes);
  count += bytes.length;
  if (count === ${BYTES}) socket.end(hash.digest("hex"));
} } });
process.stdout.write("ready");
`;

/** Sends BYTES that differ from place to place, and prints the answer and what it should be. */
const CLIENT = `
const block = new Uint8Array(1 << 20);
for (let at = 0; at < block.length; at++) block[at] = (at * 2654435761) >>> 24;
const hash = new Bun.CryptoHasher("sha256");
let left = ${BYTES}, rest = new Uint8Array(0), answer = "";
const send = (socket) => {
  for (;;) {
    if (rest.length === 0) {
      if (left === 0) return;
      block[left >>> 20] ^= 255;
      hash.update(block);
      rest = block.slice();
      left -= rest.length;
    }
    const sent = socket.write(rest);
    rest = rest.subarray(Math.max(sent, 0));
    if (rest.length > 0) return;
  }
};
Bun.connect({ hostname: process.argv[1], port: Number(process.argv[2]), socket: {
  open: send, drain: send,
  data(socket, bytes) { answer += bytes.toString(); },
  close() { console.log(answer, hash.digest("hex")); process.exit(0); },
} });
`;

describe.skipIf(why !== undefined)(`large packets${why ? ` (skipped: ${why})` : ""}`, () => {
  let world: World | undefined;
  afterEach(async () => {
    await world?.[Symbol.asyncDispose]();
    world = undefined;
  });

  const limit = (netns: string, name: string): number | undefined => {
    using namespace = open(netns, O_RDONLY);
    return inNetns(namespace, () => {
      using socket = NetlinkSocket.open("route");
      return findLink(socket, name)?.gsoIpv4Max;
    });
  };

  test("pass from the host to its containers whole; containers send none, for those may leave the host", async () => {
    world = await World.make();
    const engine = await world.engine();
    const { sandbox } = await put(world, engine, "one", [published(8080, { hostIp: "127.0.0.1" })]);
    const host = `/run/netns/${world.host.name}`;
    const port = (await world.interfaces()).find((name) => name.startsWith("veth"))!;
    expect(limit(host, port)).toBeGreaterThan(USUAL);
    expect(limit(host, "docker0")).toBeGreaterThan(USUAL);
    expect(limit(host, "lo")).toBeGreaterThan(USUAL);
    expect(limit(host, "lo")).toBeLessThanOrEqual(limit(host, port)!);
    expect(limit(host, "lan0")).toBe(USUAL);
    expect(limit(sandbox.netns, "eth0")).toBe(USUAL);
    const run = (script: string, ...args: string[]) => [process.execPath, "-e", script, ...args];
    for (const [address, at] of [
      ["127.0.0.1", "8080"],
      ["172.17.0.2", "80"],
    ] as const) {
      const server = Bun.spawn(sandbox.inside(run(SERVER)), {
        stdout: "pipe",
        stderr: "inherit",
        env: childEnvironment(),
      });
      await server.stdout.getReader().read();
      const said = await must(world.host.inside(run(CLIENT, address, at)));
      server.kill("SIGKILL");
      await server.exited;
      const [answer, wanted] = said.trim().split(" ");
      expect(answer).toBe(wanted!);
      expect(answer).toMatch(/^[0-9a-f]{64}$/);
    }
  }, 30_000);

  test("ports made by an earlier version get them too; a limit that somebody has set for the loopback device stays", async () => {
    world = await World.make();
    const host = `/run/netns/${world.host.name}`;
    const set = (name: string, size: number) => {
      using namespace = open(host, O_RDONLY);
      inNetns(namespace, () => {
        using socket = NetlinkSocket.open("route");
        socket.request(setLink(findLink(socket, name)!.index, { gsoIpv4Max: size }));
      });
    };
    set("lo", 65535);
    const engine = await world.engine();
    await put(world, engine, "one", [published(8080)]);
    expect(limit(host, "lo")).toBe(65535);
    const port = (await world.interfaces()).find((name) => name.startsWith("veth"))!;
    const big = limit(host, port)!;
    set(port, USUAL);
    await engine.call("reconcile");
    expect(limit(host, port)).toBe(big);
  });
});
