// Continuous traffic through a published port while the engine is killed and started again: how many connections broke.
//   bun scripts/soak-network.ts [RESTARTS]
// Needs root, dist/bunker and docker-registry. Every other restart is a kill -9, the others are a SIGTERM.
import { join } from "node:path";
import { startEngine } from "../test/support/engine.ts";
import { busyboxImage } from "../test/support/images.ts";
import { makeNetns } from "../test/support/netns.ts";
import { startRegistry } from "../test/support/registry.ts";

export interface SoakResult {
  restarts: number;
  /** Messages that went to and fro over connections that were open all the time. */
  messages: number;
  /** Connections that were made while it went on. */
  visits: number;
  /** Connections that broke, or could not be made. */
  broken: number;
}

const PORT = 8090;
const STEADY = 4;

/** What the client process does: its counts are told when its stdin ends. */
const CLIENT = `
const counts = { messages: 0, visits: 0, broken: 0 };
let over = false;
const steady = async () => {
  const got = { wake: () => {} };
  const socket = await Bun.connect({ hostname: "127.0.0.1", port: ${PORT}, socket: {
    data() { counts.messages++; got.wake(); },
    close() { if (!over) counts.broken++; got.wake(); },
    error() {},
  } });
  while (!over) {
    const answered = new Promise((resolve) => { got.wake = resolve; });
    socket.write("ping");
    if (await Promise.race([answered.then(() => true), Bun.sleep(5000).then(() => false)]) === false) { counts.broken++; return; }
    await Bun.sleep(5);
  }
  socket.end();
};
const visits = async () => {
  while (!over) {
    const { promise, resolve } = Promise.withResolvers();
    const timer = setTimeout(() => resolve(false), 5000);
    Bun.connect({ hostname: "127.0.0.1", port: ${PORT}, socket: {
      open(socket) { socket.write("ping"); },
      data(socket) { resolve(true); socket.end(); },
      close() { resolve(false); },
      error() { resolve(false); },
      connectError() { resolve(false); },
    } }).catch(() => resolve(false));
    counts.visits++;
    if (!(await promise)) counts.broken++;
    clearTimeout(timer);
    await Bun.sleep(5);
  }
};
const all = [visits(), ...Array.from({ length: ${STEADY} }, steady)];
for await (const _ of Bun.stdin.stream()) {}
over = true;
await Promise.all(all);
console.log(JSON.stringify(counts));
process.exit(0);
`;

const SERVER =
  'Bun.listen({hostname:"0.0.0.0",port:80,socket:{data(s,d){s.write(d)}}});process.stdout.write("ready")';

/** Runs it in a network namespace of its own. Throws what goes wrong with anything but the traffic. */
export async function soak(restarts: number): Promise<SoakResult> {
  await using netns = await makeNetns();
  await using registry = await startRegistry(netns);
  await registry.push(await busyboxImage(), "busybox:latest");
  await using engine = await startEngine(netns);
  const image = `${registry.address}/busybox`;
  const docker = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await engine.docker(args);
    if (code !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  await docker("pull", "-q", image);
  await docker("run", "-d", "--name", "web", "-p", `${PORT}:80`, image, "sleep", "10000");
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", "web");
  const server = Bun.spawn(["nsenter", `--net=/proc/${pid}/ns/net`, process.execPath, "-e", SERVER], {
    stdout: "pipe",
    stderr: "inherit",
  });
  await server.stdout.getReader().read();
  const client = Bun.spawn(netns.inside([process.execPath, "-e", CLIENT]), {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  try {
    for (let round = 0; round < restarts; round++) {
      if (round % 2 === 0) await engine.kill();
      else await engine.stop();
      await engine.start();
    }
    await client.stdin.end();
    const counts = JSON.parse(await new Response(client.stdout).text()) as Omit<SoakResult, "restarts">;
    return { restarts, ...counts };
  } finally {
    for (const child of [client, server]) {
      child.kill("SIGKILL");
      await child.exited;
    }
  }
}

if (import.meta.main) {
  const result = await soak(Number(process.argv[2] ?? 50));
  console.log(`${join("scripts", "soak-network.ts")}: ${JSON.stringify(result)}`);
  process.exit(result.broken === 0 && result.messages > 0 && result.visits > 0 ? 0 : 1);
}
