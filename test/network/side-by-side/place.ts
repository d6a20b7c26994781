// A daemon on a host of its own with a neighbour on its LAN; ours and Debian's are driven by the same client.
import { realDocker } from "../../support/binary.ts";
import { startRealDaemon } from "../../support/docker-io.ts";
import { startEngine } from "../../support/engine.ts";
import { busyboxImage } from "../../support/images.ts";
import { must, type Result, run } from "../../support/process.ts";
import { startRegistry } from "../../support/registry.ts";
import { NEIGHBOUR_IP, serve, visit, World } from "../world.ts";

/** Nobody listens there: what is asked of the outside is refused at once. */
const DNS = ["--dns", NEIGHBOUR_IP];

/** Where a program of a scenario runs: on the daemon's host, at its neighbour, or in a container. */
export type Spot = "host" | "neighbour" | { container: string };

export class Place implements AsyncDisposable {
  #image = "";

  private constructor(
    readonly world: World,
    /** unix://… of the daemon. */
    readonly socket: string,
    readonly daemon: AsyncDisposable,
  ) {}

  /** @param kind whose daemon it is; `behind`: what our daemon is started by. Throws when it does not come up. */
  static async open(kind: "ours" | "debian", options: { behind?: string[] } = {}): Promise<Place> {
    const world = await World.make();
    const start = {
      ours: () => startEngine(world.host, { args: DNS, ...options }),
      // Without --ip6tables it would translate nothing for IPv6.
      debian: () => startRealDaemon(world.host, [...DNS, "--experimental", "--ip6tables"]),
    };
    try {
      const daemon = await start[kind]();
      const place = new Place(world, daemon.host, daemon);
      await using registry = await startRegistry(world.host);
      await registry.push(await busyboxImage(), "busybox:latest");
      place.#image = `${registry.address}/busybox`;
      await place.must("pull", "-q", place.#image);
      return place;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** One `docker` command. */
  docker(...args: string[]): Promise<Result> {
    return run(this.world.host.inside([realDocker!, "-H", this.socket, ...args]));
  }

  async must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.docker(...args);
    if (code !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  /** What a command that has to fail says, without ids and prefixes that change. */
  async refusal(...args: string[]): Promise<string> {
    const { code, stderr } = await this.docker(...args);
    if (code === 0) return "(not refused)";
    return (
      stderr
        .replaceAll(/[0-9a-f]{64}/g, "ID")
        .replaceAll(/"?\b[0-9a-f]{12}\b"?/g, "ID")
        .replace(/^docker: /, "")
        // 28 puts it before everything that goes wrong with networks (daemon/container_operations.go, errSetupNetworking).
        .replace("failed to set up container networking: ", "")
        .replace(/\n+(Run 'docker|See 'docker).*$/s, "")
        .replace(/^Error response from daemon: /, "")
        .trim()
    );
  }

  /** GET of the Engine API as 20.10 spoke it. */
  async get(path: string): Promise<unknown> {
    const answer = await fetch(`http://docker/v1.41${path}`, { unix: this.socket.slice("unix://".length) });
    return answer.json();
  }

  /** A container that does nothing. */
  async container(name: string, ...options: string[]): Promise<void> {
    await this.must("run", "-d", "--name", name, ...options, this.#image, "sleep", "1000");
  }

  get image(): string {
    return this.#image;
  }

  /** The spot's command line for a program of the host's. */
  async at(spot: Spot): Promise<(command: string[]) => string[]> {
    if (spot === "host") return this.world.host.inside;
    if (spot === "neighbour") return this.world.neighbour.inside;
    const pid = await this.must("inspect", "-f", "{{.State.Pid}}", spot.container);
    return (command) => ["nsenter", `--net=/proc/${pid}/ns/net`, ...command];
  }

  /** Serves a port there: every visitor is told `name` and its own address. */
  async serve(spot: Spot, name: string, port: number, protocol: "tcp" | "udp" = "tcp"): Promise<void> {
    this.world.keep(await serve(await this.at(spot), name, port, protocol));
  }

  /** What the server says to a visitor from there; "" when nothing answers. */
  async visit(spot: Spot, address: string, port: number, protocol: "tcp" | "udp" = "tcp"): Promise<string> {
    return visit(await this.at(spot), address, port, protocol, 2);
  }

  async ip(spot: Spot, ...args: string[]): Promise<string> {
    return must((await this.at(spot))(["ip", ...args]));
  }

  async address(container: string, network = "bridge", field = "IPAddress"): Promise<string> {
    const format = `{{(index .NetworkSettings.Networks "${network}").${field}}}`;
    return this.must("inspect", "-f", format, container);
  }

  /** Addresses a container finds for a name, sorted. */
  async lookup(container: string, name: string, type = "a"): Promise<string[]> {
    const { stdout } = await this.docker("exec", container, "nslookup", `-type=${type}`, name);
    const [, answers = ""] = stdout.split(/\n\s*\n/);
    return [...answers.matchAll(/^Address(?: \d+)?:\s*(\S+)/gm)].map(([, found]) => found!).sort();
  }

  /** Ends what a scenario made. */
  async clear(): Promise<void> {
    const ids = (await this.must("ps", "-aq")).split("\n").filter(Boolean);
    if (ids.length > 0) await this.must("rm", "-f", ...ids);
    await this.must("network", "prune", "-f");
    await this.world.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    await this.world[Symbol.asyncDispose]();
  }
}
