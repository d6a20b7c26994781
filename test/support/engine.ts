// A whole engine for end-to-end tests: the built binary on private directories, in a network namespace of its own.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linkRoles, realDocker } from "./binary.ts";
import type { Netns } from "./netns.ts";
import { plainEnvironment, type Result, type RunOptions, run, until } from "./process.ts";

export interface Client {
  name: string;
  path: string;
}

export interface Engine extends AsyncDisposable {
  dir: string;
  /** unix://… of the API socket. */
  host: string;
  execRoot: string;
  dataRoot: string;
  bin: string;
  netns: Netns;
  /** The docker clients to drive it with: the real one (where there is one) and ours. */
  clients: Client[];
  /** Runs `docker ARGS` against it with the given client (ours by default), inside its network namespace. */
  docker(args: string[], options?: RunOptions & { client?: Client }): Promise<Result>;
  /** The command line for a client, for tests that keep it running. */
  command(args: string[], client?: Client): string[];
  start(extra?: string[]): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
  /** SIGTERM, and waits. Returns the exit code. */
  stop(): Promise<number>;
  pid(): number;
  log(): string;
}

/** Makes and starts an engine. `dataRoot` may be given (e.g. a small tmpfs). */
export async function startEngine(
  netns: Netns,
  options: {
    args?: string[];
    dataRoot?: string;
    /** Puts the daemon's command line behind another one (a mount namespace, say) that executes it. */
    behind?: string[];
  } = {},
): Promise<Engine> {
  const dir = mkdtempSync(join(tmpdir(), "bunker-e2e-"));
  const bin = linkRoles();
  const host = `unix://${dir}/docker.sock`;
  const execRoot = join(dir, "exec");
  const dataRoot = options.dataRoot ?? join(dir, "data");
  const logFile = join(dir, "dockerd.log");
  const ours: Client = { name: "our client", path: join(bin, "docker") };
  const clients: Client[] = [
    ...(realDocker ? [{ name: "the real docker CLI", path: realDocker }] : []),
    ours,
  ];
  let child: Bun.Subprocess | undefined;

  const engine: Engine = {
    dir,
    host,
    execRoot,
    dataRoot,
    bin,
    netns,
    clients,
    command: (args, client = ours) => netns.inside([client.path, "-H", host, ...args]),
    docker: (args, { client, ...rest } = {}) =>
      run(engine.command(args, client), {
        ...rest,
        env: { DOCKER_CONFIG: join(dir, "config"), ...rest.env },
      }),
    async start(extra = []) {
      // A second one would be refused while the first answers for it, and nobody would end the first.
      if (child && child.exitCode === null && child.signalCode === null)
        throw new Error("the engine is running");
      child = Bun.spawn(
        netns.inside([
          ...(options.behind ?? []),
          join(bin, "dockerd"),
          "-H",
          host,
          "--data-root",
          dataRoot,
          "--exec-root",
          execRoot,
          "--pidfile",
          join(dir, "docker.pid"),
          ...(options.args ?? []),
          ...extra,
        ]),
        {
          env: plainEnvironment(),
          stdin: "ignore",
          stdout: Bun.file(join(dir, "dockerd.out")),
          stderr: "pipe",
        },
      );
      const stderr = child.stderr as ReadableStream<Uint8Array>;
      void (async () => {
        for await (const chunk of stderr) {
          // Its last words may come when the directory is gone already.
          if (existsSync(dir)) writeFileSync(logFile, chunk, { flag: "a" });
        }
      })();
      const running = child;
      await until("the engine's API", async () => {
        if (running.exitCode !== null)
          throw new Error(`dockerd exited ${running.exitCode}:\n${engine.log()}`);
        const ping = await fetch("http://localhost/_ping", { unix: `${dir}/docker.sock` }).catch(() => null);
        return ping?.ok;
      });
    },
    async kill() {
      child?.kill("SIGKILL");
      await child?.exited;
    },
    async stop() {
      child?.kill("SIGTERM");
      return (await child?.exited) ?? 0;
    },
    pid: () => child!.pid,
    log: () => (existsSync(logFile) ? readFileSync(logFile, "utf8") : ""),
    async [Symbol.asyncDispose]() {
      // Whatever a failed test left running goes first; the engine itself is the way to do it.
      if (child && child.exitCode === null) {
        const ids = (await engine.docker(["ps", "-aq"]).catch(() => undefined))?.stdout
          .split("\n")
          .filter(Boolean);
        if (ids && ids.length > 0) await engine.docker(["rm", "-f", ...ids]).catch(() => undefined);
        child.kill("SIGTERM");
        await child.exited;
      }
      if (process.env["BUNKER_KEEP"]) {
        console.log(`kept: ${dir}`);
        return;
      }
      rmSync(bin, { recursive: true, force: true });
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await engine.start();
  return engine;
}

/** Names of what a container leaves below the exec root while it lives. */
export function bundleOf(engine: Engine, id: string): string[] {
  return readdirSync(join(engine.execRoot, "libcontainerd", id)).sort();
}
