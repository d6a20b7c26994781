// The four ways to an unpacked image that the pull benchmark holds against each other, each on a data root of its own.
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { linkRoles, realDocker } from "../../test/support/binary.ts";
import type { Netns } from "../../test/support/netns.ts";
import { must, plainEnvironment, until } from "../../test/support/process.ts";
import { Group } from "./group.ts";

export interface Program {
  name: string;
  /** Why it cannot run here. */
  missing?: string;
  /** Command line of the daemon on `dir`, and the socket that tells it is up. */
  daemon(dir: string): { command: string[]; socket: string };
  /** Command line that pulls. */
  pull(dir: string, reference: string): string[];
  /** The directories of the image's layers, the topmost first, asked of the running daemon. */
  layers(netns: Netns, dir: string, reference: string, chainId: string): Promise<string[]>;
}

/** What one pull cost. */
export interface Cost {
  /** From the client's spawn to its exit, in milliseconds. */
  wall: number;
  /** CPU time of the daemon and its client, in milliseconds. */
  cpu: number;
  /** Highest sum of the daemon's and the client's memory (PSS), in bytes. */
  peak: number;
  /** The highest sum of what is their own and mapped from no file. */
  anonymous: number;
}

const bin = linkRoles();
process.on("exit", () => rmSync(bin, { recursive: true, force: true }));

const docker = realDocker ?? join(bin, "docker");
const engine = (path: string, extra: string[]) => (dir: string) => ({
  command: [
    path,
    ...["-H", `unix://${dir}/docker.sock`, "--data-root", `${dir}/data`, "--exec-root", `${dir}/exec`],
    ...["--pidfile", `${dir}/pid`, "--bridge=none", "--iptables=false", ...extra],
  ],
  socket: `${dir}/docker.sock`,
});
const dockerPull = (dir: string, reference: string) => [
  docker,
  "-H",
  `unix://${dir}/docker.sock`,
  "pull",
  reference,
];
const ctrOf = (path: string) => (dir: string, reference: string) => [
  path,
  ...["-a", `${dir}/containerd.sock`, "images", "pull", "--plain-http", reference],
];

/** Layers as a containerd has them: the lower directories of a view on the chain. */
async function viewed(netns: Netns, command: string[], chainId: string): Promise<string[]> {
  // Asked for in the same breath: a view that nothing refers to is the garbage collector's a moment later.
  const mounts = await must(
    netns.inside([
      ...command,
      "snapshots",
      "view",
      "--target",
      "/bench",
      `bench-${chainId.slice(7, 19)}`,
      chainId,
    ]),
  );
  const lower = /lowerdir=([^, \n]+)/.exec(mounts)?.[1];
  const bind = /-t bind (\S+)/.exec(mounts)?.[1];
  if (lower === undefined && bind === undefined) throw new Error(`no layers in: ${mounts}`);
  return lower?.split(":") ?? [bind!];
}

export const programs: readonly Program[] = [
  {
    name: "bunker dockerd",
    daemon: engine(join(bin, "dockerd"), []),
    pull: dockerPull,
    layers: (netns, dir, _, chainId) =>
      viewed(
        netns,
        [join(bin, "ctr"), "-a", `${dir}/exec/containerd/containerd.sock`, "-n", "moby"],
        chainId,
      ),
  },
  {
    name: "docker.io dockerd",
    ...(existsSync("/usr/sbin/dockerd") ? {} : { missing: "docker.io is not installed" }),
    daemon: engine("/usr/sbin/dockerd", ["--storage-driver=overlay2"]),
    pull: dockerPull,
    async layers(netns, dir, reference) {
      const inspect = [
        docker,
        "-H",
        `unix://${dir}/docker.sock`,
        "image",
        "inspect",
        "-f",
        "{{json .GraphDriver.Data}}",
      ];
      const data = JSON.parse(await must(netns.inside([...inspect, reference])));
      return [data.UpperDir, ...(data.LowerDir?.split(":") ?? [])];
    },
  },
  {
    name: "bunker containerd",
    daemon: (dir) => ({
      command: [
        join(bin, "containerd"),
        ...["--root", `${dir}/root`, "--state", `${dir}/state`, "--address", `${dir}/containerd.sock`],
      ],
      socket: `${dir}/containerd.sock`,
    }),
    pull: ctrOf(join(bin, "ctr")),
    layers: (netns, dir, _, chainId) =>
      viewed(netns, [join(bin, "ctr"), "-a", `${dir}/containerd.sock`], chainId),
  },
  {
    name: "containerd and ctr",
    ...(existsSync("/usr/bin/containerd") ? {} : { missing: "containerd is not installed" }),
    daemon: (dir) => ({
      command: [
        "/usr/bin/containerd",
        ...["--root", `${dir}/root`, "--state", `${dir}/state`, "--address", `${dir}/containerd.sock`],
      ],
      socket: `${dir}/containerd.sock`,
    }),
    pull: ctrOf("/usr/bin/ctr"),
    layers: (netns, dir, _, chainId) =>
      viewed(netns, ["/usr/bin/ctr", "-a", `${dir}/containerd.sock`], chainId),
  },
];

/** Starts the daemon on an empty root, pulls once, hands the layers to `look`, and takes everything away again. */
export async function pullOnce(
  program: Program,
  netns: Netns,
  root: string,
  reference: string,
  chainId: string,
  look?: (layers: string[]) => void | Promise<void>,
): Promise<Cost> {
  const dir = join(root, program.name.replaceAll(" ", "-"));
  mkdirSync(dir, { recursive: true });
  using group = new Group();
  const log = openSync(join(dir, "log"), "w");
  const spawn = (command: string[]) =>
    Bun.spawn(group.inside(netns.inside(command)), {
      env: plainEnvironment({ DOCKER_CONFIG: join(dir, "config") }),
      stdin: "ignore",
      stdout: log,
      stderr: log,
    });
  const { command, socket } = program.daemon(dir);
  const daemon = spawn(command);
  try {
    await until(`${program.name}'s socket`, () => {
      if (daemon.exitCode !== null) throw new Error(`it exited ${daemon.exitCode}`);
      return existsSync(socket);
    });
    // The socket appears before the daemon has settled: its first answer says it has.
    await until(`${program.name}'s first answer`, async () => {
      const version = program.pull(dir, "").slice(0, 3);
      return (
        (await Bun.spawn(netns.inside([...version, "version"]), { stdout: "ignore", stderr: "ignore" })
          .exited) === 0
      );
    });
    Bun.spawnSync(["sync"]);
    const watch = group.watch();
    const begun = performance.now();
    const client = spawn(program.pull(dir, reference));
    const code = await client.exited;
    const wall = performance.now() - begun;
    const { cpu, peak, anonymous } = watch.end();
    if (code !== 0) throw new Error(`${program.name}: exit ${code}`);
    if (look) await look(await program.layers(netns, dir, reference, chainId));
    return { wall, cpu, peak, anonymous };
  } catch (error) {
    throw new Error(`${program.name}: its log says\n${readFileSync(join(dir, "log"), "utf8").slice(-3000)}`, {
      cause: error,
    });
  } finally {
    daemon.kill("SIGTERM");
    const late = setTimeout(() => daemon.kill("SIGKILL"), 15_000);
    await daemon.exited;
    clearTimeout(late);
    closeSync(log);
    await must(["rm", "-rf", "--one-file-system", dir], { deadline: 300_000 });
  }
}
