// A containerd of its own for a test, ours (the built binary) or Debian's, and a ctr of either kind to drive it.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answersUnix } from "../../ffi/socket.ts";
import { linkRoles } from "./binary.ts";
import { removeCgroups } from "./cgroups.ts";
import { hostNetwork, type Netns } from "./netns.ts";
import { plainEnvironment, type Result, type RunOptions, run, until } from "./process.ts";

export type Whose = "ours" | "real";

export const realContainerd = existsSync("/usr/bin/containerd") ? "/usr/bin/containerd" : undefined;
export const realCtr = existsSync("/usr/bin/ctr") ? "/usr/bin/ctr" : undefined;

/** Parts of Debian's that need devices or networks of their own. */
const DISABLED = [
  ...["grpc.v1.cri", "internal.v1.opt", "snapshotter.v1.devmapper", "snapshotter.v1.zfs"],
  ...["snapshotter.v1.btrfs", "snapshotter.v1.aufs"],
].map((name) => `"io.containerd.${name}"`);

const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface TestContainerd extends AsyncDisposable {
  dir: string;
  root: string;
  state: string;
  address: string;
  /** Our roles by their names. */
  bin: string;
  /** Directories for FIFOs, given to every `run` and `exec`. */
  fifos: string;
  pid(): number;
  start(): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<number>;
  log(): string;
  /** The command line of a ctr on it, in the test's namespace. */
  command(whose: Whose, args: string[]): string[];
  ctr(whose: Whose, args: string[], options?: RunOptions): Promise<Result>;
}

export interface ContainerdOptions {
  netns?: Netns;
  /** Where shims and runtimes are looked for: our names first (the default), or the system's alone. */
  shims?: Whose;
  /** Puts the daemon's command line behind another one that executes it. */
  behind?: string[];
  /** containerd's namespace for `ctr`. */
  namespace?: string;
  /** More lines for the real one's configuration file. */
  config?: string;
}

/** Starts one on private directories. Throws with its log when it does not come up. */
export async function startContainerd(
  whose: Whose,
  {
    netns = hostNetwork,
    shims = "ours",
    behind = [],
    namespace = "test",
    config: more = "",
  }: ContainerdOptions = {},
): Promise<TestContainerd> {
  const dir = mkdtempSync(join(tmpdir(), "bunker-ctrd-"));
  const bin = linkRoles();
  const [root, state, address] = [join(dir, "root"), join(dir, "state"), join(dir, "c.sock")];
  const logFile = join(dir, "log");
  const config = join(dir, "config.toml");
  if (whose === "real")
    writeFileSync(config, `version = 2\ndisabled_plugins = [${DISABLED.join(", ")}]\n${more}`);
  const program = whose === "ours" ? [join(bin, "containerd")] : [realContainerd!, "--config", config];
  const env = plainEnvironment({ PATH: shims === "ours" ? `${bin}:${SYSTEM_PATH}` : SYSTEM_PATH });
  let child: Bun.Subprocess | undefined;
  const command = (who: Whose, args: string[]) =>
    netns.inside([who === "ours" ? join(bin, "ctr") : realCtr!, "-a", address, "-n", namespace, ...args]);
  const self: TestContainerd = {
    dir,
    root,
    state,
    address,
    bin,
    fifos: join(dir, "fifo"),
    command,
    ctr: (who, args, options) => run(command(who, args), options),
    async start() {
      const running = Bun.spawn(
        netns.inside([...behind, ...program, "--root", root, "--state", state, "--address", address]),
        { env, stdin: "ignore", stdout: "ignore", stderr: Bun.file(logFile) },
      );
      child = running;
      await until("containerd's answer", async () => {
        if (running.exitCode !== null)
          throw new Error(`containerd exited ${running.exitCode}:\n${self.log()}`);
        if (!existsSync(address) || !answersUnix(address)) return false;
        // Debian's listens before its services are there.
        return whose === "ours" || (await self.ctr("real", ["version"])).code === 0;
      });
    },
    pid: () => child!.pid,
    async kill() {
      child?.kill("SIGKILL");
      await child?.exited;
      // Debian's does not take over the socket of one that was killed in the test's very second.
      if (whose === "real") rmSync(address, { force: true });
    },
    async stop() {
      child?.kill("SIGTERM");
      return (await child?.exited) ?? 0;
    },
    log: () => (existsSync(logFile) ? readFileSync(logFile, "utf8") : ""),
    async [Symbol.asyncDispose]() {
      const who: Whose = realCtr ? "real" : "ours";
      if (child && child.exitCode === null) {
        const left = await self.ctr(who, ["tasks", "ls", "-q"]).catch(() => undefined);
        for (const id of left?.stdout.split("\n").filter(Boolean) ?? [])
          await self.ctr(who, ["tasks", "rm", "-f", id]).catch(() => undefined);
        await self.stop();
      }
      removeCgroups(namespace);
      // Debian's leaves an empty directory for its temporary mounts beside its state.
      for (const name of existsSync(state) ? readdirSync(state) : [])
        if (name.includes("tmpmounts")) rmSync(join(state, name), { recursive: true, force: true });
      if (process.env["BUNKER_KEEP"]) return console.log(`kept: ${dir}`);
      rmSync(bin, { recursive: true, force: true });
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await self.start();
  return self;
}
