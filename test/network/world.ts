// A small world for network tests, every part a network namespace of its own: a host with an engine's networks on it, a
// neighbour on the host's LAN, and containers.
import { mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NetworkOptions, Networks, PortRequest } from "../../src/roles/engine/network/index.ts";
import { childEnvironment } from "../../src/self.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must, plainEnvironment, run, until } from "../support/process.ts";

export const HOST_IP = "198.51.100.1";
export const NEIGHBOUR_IP = "198.51.100.2";
export const HOST_IP6 = "2001:db8:51::1";
export const NEIGHBOUR_IP6 = "2001:db8:51::2";

/** A process that does nothing in a network namespace of its own, as a container's first process does. */
export class Sandbox {
  readonly #process: Bun.Subprocess;
  readonly #services: Bun.Subprocess[] = [];

  private constructor(process: Bun.Subprocess) {
    this.#process = process;
  }

  static async start(): Promise<Sandbox> {
    const child = Bun.spawn(["unshare", "--net", "sleep", "infinity"], { env: plainEnvironment() });
    const sandbox = new Sandbox(child);
    const here = readlinkSync("/proc/self/ns/net");
    await until("the sandbox's network namespace", () => readlinkSync(sandbox.netns) !== here);
    return sandbox;
  }

  get netns(): string {
    return `/proc/${this.#process.pid}/ns/net`;
  }

  inside(command: string[]): string[] {
    return ["nsenter", `--net=${this.netns}`, ...command];
  }

  /** Serves `port`: every visitor is told `name` and the address it came from. */
  async serve(name: string, port: number, protocol: "tcp" | "udp" = "tcp"): Promise<void> {
    this.#services.push(await serve(this.inside.bind(this), name, port, protocol));
  }

  async stop(): Promise<void> {
    for (const service of this.#services) {
      service.kill("SIGKILL");
      await service.exited;
    }
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
}

/** Starts test/network/echo.ts somewhere and waits until it serves. */
export async function serve(
  inside: (command: string[]) => string[],
  name: string,
  port: number,
  protocol: "tcp" | "udp" = "tcp",
): Promise<Bun.Subprocess> {
  const script = join(import.meta.dir, "echo.ts");
  const child = Bun.spawn(inside([process.execPath, script, name, String(port), protocol]), {
    stdout: "pipe",
    stderr: "inherit",
    env: childEnvironment(),
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  if (!value) throw new Error(`no server for ${name}`);
  return child;
}

/** What a server says to a visitor from here, or "" when it cannot be reached within the time. */
export async function visit(
  inside: (command: string[]) => string[],
  address: string,
  port: number,
  protocol: "tcp" | "udp" = "tcp",
  seconds = 3,
): Promise<string> {
  const script =
    protocol === "tcp"
      ? `exec 3<>/dev/tcp/${address}/${port} && cat <&3`
      : `exec 3<>/dev/udp/${address}/${port} && echo hello >&3 && dd bs=512 count=1 status=none <&3`;
  const { stdout } = await run(inside(["timeout", String(seconds), "bash", "-c", script]));
  return stdout.trim();
}

/** The engine's networks in a process inside the host's namespace. */
export class EngineProcess {
  #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  #lines: AsyncIterator<string>;

  constructor(
    readonly host: Netns,
    readonly config: { dataRoot: string; execRoot: string; network?: NetworkOptions },
  ) {
    const script = join(import.meta.dir, "engine.ts");
    const [nsenter, ...rest] = host.inside([process.execPath, script, JSON.stringify(config)]);
    this.#child = Bun.spawn([Bun.which(nsenter!)!, ...rest], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
      // No ip, iptables or nft can be found: the engine has to do without.
      env: { PATH: "/nonexistent" },
    });
    this.#lines = lines(this.#child.stdout);
  }

  async call<M extends keyof Networks | "timed">(
    method: M,
    ...args: unknown[]
  ): Promise<M extends keyof Networks ? Awaited<ReturnType<Networks[M]>> : Timed> {
    this.#child.stdin.write(`${JSON.stringify({ method, args })}\n`);
    await this.#child.stdin.flush();
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the engine process is gone");
    const answer = JSON.parse(value) as { ok?: never; error?: { message: string; status?: number } };
    if (answer.error) throw Object.assign(new Error(answer.error.message), { status: answer.error.status });
    return answer.ok!;
  }

  /** As a crash ends it. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

export interface Timed {
  endpoint: import("../../src/roles/engine/network/index.ts").Endpoint;
  allocate: number;
  attach: number;
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of stream.pipeThrough(
    new TextDecoderStream() as never,
  ) as unknown as AsyncIterable<string>) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  return undefined;
}

export class World implements AsyncDisposable {
  readonly #root = mkdtempSync(join(tmpdir(), "bunker-network-"));
  readonly #engines: EngineProcess[] = [];
  readonly #sandboxes: Sandbox[] = [];
  readonly #children: Bun.Subprocess[] = [];

  private constructor(
    readonly host: Netns,
    readonly neighbour: Netns,
  ) {}

  /** Host and neighbour, joined by a cable. */
  static async make(): Promise<World> {
    const host = await makeNetns();
    const neighbour = await makeNetns();
    const world = new World(host, neighbour);
    await must([
      "ip",
      "-n",
      host.name,
      "link",
      "add",
      "lan0",
      "type",
      "veth",
      "peer",
      "name",
      "lan0",
      "netns",
      neighbour.name,
    ]);
    for (const [name, address, address6] of [
      [host.name, HOST_IP, HOST_IP6],
      [neighbour.name, NEIGHBOUR_IP, NEIGHBOUR_IP6],
    ] as const) {
      await must(["ip", "-n", name, "address", "add", `${address}/24`, "dev", "lan0"]);
      await must(["ip", "-n", name, "address", "add", `${address6}/64`, "dev", "lan0", "nodad"]);
      await must(["ip", "-n", name, "link", "set", "lan0", "up"]);
    }
    return world;
  }

  /** A started engine; `instance` gives it roots of its own. */
  async engine(live: string[] = [], network?: NetworkOptions, instance = "one"): Promise<EngineProcess> {
    const root = (kind: string) => join(this.#root, instance, kind);
    const engine = new EngineProcess(this.host, {
      dataRoot: root("data"),
      execRoot: root("exec"),
      ...(network ? { network } : {}),
    });
    this.#engines.push(engine);
    await engine.call("start", live);
    return engine;
  }

  async sandbox(): Promise<Sandbox> {
    const sandbox = await Sandbox.start();
    this.#sandboxes.push(sandbox);
    return sandbox;
  }

  /** A process that ends with the world at the latest. */
  keep<T extends Bun.Subprocess>(child: T): T {
    this.#children.push(child);
    return child;
  }

  /** What nft(8) itself prints of the host's rules. */
  ruleset(): Promise<string> {
    return must(this.host.inside(["nft", "list", "ruleset"]));
  }

  /** Names of the host's interfaces. */
  async interfaces(): Promise<string[]> {
    const text = await must(["ip", "-n", this.host.name, "-j", "link"]);
    return (JSON.parse(text) as { ifname: string }[]).map(({ ifname }) => ifname);
  }

  /** Ends what was kept so far. */
  async release(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      child.kill("SIGKILL");
      await child.exited;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
    for (const engine of this.#engines) await engine.kill();
    for (const sandbox of this.#sandboxes) await sandbox.stop();
    await this.host[Symbol.asyncDispose]();
    await this.neighbour[Symbol.asyncDispose]();
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** TCP port 80 of a container, published. */
export const published = (hostPort: number, rest: Partial<PortRequest> = {}): PortRequest => ({
  containerPort: 80,
  protocol: "tcp",
  hostIp: "",
  hostPort,
  hostPortEnd: hostPort,
  ...rest,
});

/** A container on a network. */
export async function put(
  world: World,
  engine: EngineProcess,
  name: string,
  ports: PortRequest[],
  network = "bridge",
) {
  const sandbox = await world.sandbox();
  const endpoint = await engine.call("allocate", { containerId: name, containerName: name, network, ports });
  await engine.call("attach", endpoint.endpointId, sandbox.netns);
  return { sandbox, endpoint };
}
