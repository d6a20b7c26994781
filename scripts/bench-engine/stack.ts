// The two whole stacks that are held against each other: ours, and Debian's docker.io, each with daemons of its own on private
// directories in a network namespace of its own, with the same image.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRealDaemon } from "../../test/support/docker-io.ts";
import { startEngine } from "../../test/support/engine.ts";
import { busyboxRootfs } from "../../test/support/images.ts";
import { makeNetns, type Netns } from "../../test/support/netns.ts";
import { must, plainEnvironment } from "../../test/support/process.ts";

export const IMAGE = "bench:latest";

export interface Stack {
  name: string;
  /** A `docker` command line against this stack. */
  docker(...args: string[]): string[];
  /** KiB of PSS of the stack's own processes: daemons and shims, not the containers. */
  memory(): number;
  close(): Promise<void>;
}

/** The image's root file system as a tar archive in `dir`. */
export async function imageArchive(dir: string): Promise<string> {
  const rootfs = mkdtempSync(join(dir, "rootfs-"));
  await busyboxRootfs(rootfs);
  const archive = join(dir, "image.tar");
  await must(["tar", "-cf", archive, "-C", rootfs, "."]);
  rmSync(rootfs, { recursive: true });
  return archive;
}

// Whose command line names the stack's directory is of the stack: its daemons, its shims, its keepers.
function memoryOf(dir: string): number {
  let total = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      if (!line.includes(dir) || Number(pid) === process.pid) continue;
      total += Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))![1]);
    } catch {
      // It has ended meanwhile.
    }
  }
  return total;
}

export async function ourStack(archive: string): Promise<Stack> {
  const netns = await makeNetns();
  const engine = await startEngine(netns);
  const docker = (...args: string[]): string[] => engine.command(args);
  await must(docker("import", archive, IMAGE), { deadline: 120_000 });
  return {
    name: "bunker",
    docker,
    memory: () => memoryOf(engine.dir),
    async close() {
      await engine[Symbol.asyncDispose]();
      await netns[Symbol.asyncDispose]();
    },
  };
}

/** Undefined (and why, on stdout) where docker.io is not installed or cannot run. */
export async function debianStack(archive: string): Promise<Stack | undefined> {
  if (!existsSync("/usr/sbin/dockerd") || !existsSync("/usr/bin/docker")) {
    console.log("docker.io: left out: it is not installed");
    return undefined;
  }
  const netns: Netns = await makeNetns();
  try {
    const daemon = await startRealDaemon(netns, []);
    const docker = (...args: string[]): string[] =>
      netns.inside(["/usr/bin/docker", "-H", daemon.host, ...args]);
    await must(docker("import", archive, IMAGE), { deadline: 120_000 });
    return {
      name: "docker.io",
      docker,
      memory: () => memoryOf(daemon.dir),
      async close() {
        await daemon[Symbol.asyncDispose]();
        await netns[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await netns[Symbol.asyncDispose]();
    console.log(`docker.io: left out: ${(error as Error).message.trim()}`);
    return undefined;
  }
}

/** The environment of the clients: no configuration of whoever runs the benchmark. */
export const clientEnvironment = (): Record<string, string> =>
  plainEnvironment({ DOCKER_CONFIG: join(tmpdir(), "no-docker-configuration") });
