// dockerd as a process: from its command line to "API listen on …", and down again.
import { heapStats } from "bun:jsc";
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { dropPages } from "../../../ffi/give-back.ts";
import { configureLog, log } from "../../observe/log.ts";
import { commit, version } from "../../version.ts";
import type { Services } from "../../wire/containerd/services.ts";
import { assembleEngine } from "./assemble.ts";
import { clearLeftovers } from "./build/leftovers.ts";
import { notifySystemd } from "./config/notify.ts";
import { type Held, holdPidfile } from "./config/pidfile.ts";
import { reloadConfig } from "./config/reload.ts";
import type { EngineConfig } from "./config/types.ts";
import type { ContainersPort, Engine } from "./engine.ts";
import { Idleness } from "./idle.ts";
import type { Networks } from "./network/types.ts";
import type { Listeners } from "./server/listen.ts";
import { type ContainerApi, serveApi } from "./server/serve.ts";
import type { Metrics } from "./system/metrics.ts";

/** A containerd, in this process or behind a socket. */
export interface ContainerdHandle {
  services: Services;
  /** Serves gRPC on an address; absent when it is not ours to serve. */
  serve?(address: string): Promise<void>;
  close(): Promise<void>;
}

/** What the composition root puts in. */
export interface DaemonParts {
  openContainerd(config: EngineConfig, address: string): Promise<ContainerdHandle>;
  openNetworks(config: EngineConfig): Promise<Networks>;
  createContainers(engine: Engine): Promise<ContainersPort>;
  containerApi(engine: Engine): ContainerApi;
}

/** Where containerd is reached: the one that was named, or our own below the exec root. */
export function containerdAddress(config: EngineConfig): string {
  return config.containerd ?? join(config.execRoot, "containerd", "containerd.sock");
}

interface Running {
  engine: Engine;
  api: Listeners;
  metrics: Metrics | undefined;
  containerd: ContainerdHandle;
  networks: Networks;
}

async function bringUp(config: EngineConfig, parts: DaemonParts, shutdown: AbortSignal): Promise<Running> {
  const address = containerdAddress(config);
  const [containerd, networks] = await Promise.all([
    parts.openContainerd(config, address),
    parts.openNetworks(config),
  ]);
  try {
    return await bringUpOver(config, parts, shutdown, { address, containerd, networks });
  } catch (error) {
    // Otherwise the process would live on behind its error: containerd's socket and shims' connections hold it.
    await containerd.close().catch(() => {});
    throw error;
  }
}

async function bringUpOver(
  config: EngineConfig,
  parts: DaemonParts,
  shutdown: AbortSignal,
  { address, containerd, networks }: { address: string; containerd: ContainerdHandle; networks: Networks },
): Promise<Running> {
  await containerd.serve?.(address);
  log("debug", "containerd is there", { address, inProcess: config.containerd === undefined });
  const engine = await assembleEngine({
    config,
    services: containerd.services,
    networks,
    containerdAddress: address,
    shutdown,
    createContainers: parts.createContainers,
  });
  log("info", "Loading containers: start.");
  await networks.start(await engine.containers.load());
  await engine.containers.resume();
  await clearLeftovers(engine);
  log("info", "Loading containers: done.");
  log("info", "Docker daemon", { commit, "storage-driver": config.snapshotter, version });
  log("info", "Daemon has completed initialization");
  const idleness = new Idleness();
  const api = await serveApi(engine, parts.containerApi(engine), () => idleness.touch());
  idleness.touch();
  const metrics = config.metricsAddress
    ? await (await import("./system/metrics.ts")).serveMetrics(engine, config.metricsAddress)
    : undefined;
  for (const where of api.addresses) log("info", `API listen on ${where}`);
  // What only the start needed. The rest follows when nobody asks anything (idle.ts).
  dropPages();
  notifySystemd("READY=1");
  return { engine, api, metrics, containerd, networks };
}

/** Goes on after an error: each part is told to stop whatever became of the others. */
async function takeDown(
  { engine, api, metrics, containerd, networks }: Running,
  stop: () => void,
): Promise<void> {
  notifySystemd("STOPPING=1");
  api.close();
  metrics?.close();
  stop();
  const steps: [string, () => Promise<void>][] = [
    ["containers", () => engine.containers.stop()],
    ["networks", () => networks.stop()],
    ["containerd", () => containerd.close()],
  ];
  for (const [what, step] of steps) {
    try {
      await step();
    } catch (error) {
      log("error", `Stopping ${what} failed`, { error: error as Error });
    }
  }
  api.drop();
}

// SIGUSR1, as dockerd's goroutine dump: what this process holds, for a bug report.
function dump(engine: Engine): void {
  Bun.gc(true);
  const { objectCount, objectTypeCounts } = heapStats();
  const path = join(
    engine.config.execRoot,
    `engine-dump-${new Date().toISOString().replaceAll(":", "")}.log`,
  );
  const report = {
    version,
    commit,
    bun: Bun.version,
    memory: process.memoryUsage(),
    resources: process.getActiveResourcesInfo(),
    objects: objectCount,
    // The many: whatever is leaked is among them sooner or later.
    objectTypes: Object.fromEntries(Object.entries(objectTypeCounts).filter(([, count]) => count > 100)),
    containers: engine.containers.counts(),
    eventListeners: engine.events.listeners,
  };
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 });
  log("info", `state written to ${path}`);
}

// Resolves with the signal's name when it is time to go.
function untilTold(engine: Engine): Promise<NodeJS.Signals> {
  process.on("SIGHUP", () => reloadConfig(engine));
  process.on("SIGUSR1", () => dump(engine));
  process.on("SIGPIPE", () => {});
  return new Promise((resolve) => {
    let times = 0;
    for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
      process.on(signal, () => {
        times++;
        if (times === 1) resolve(signal);
        // dockerd: the third one means it.
        if (times === 3) {
          log("info", "Forcing docker daemon shutdown without cleanup; 3 interrupts received");
          process.exit(128);
        }
      });
    }
  });
}

const WORDS: Partial<Record<NodeJS.Signals, string>> = {
  SIGTERM: "terminated",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
};

function prepareProcess(config: EngineConfig): void {
  process.umask(0o022);
  const { http, https, no } = config.proxies;
  if (http) process.env["HTTP_PROXY"] = http;
  if (https) process.env["HTTPS_PROXY"] = https;
  if (no) process.env["NO_PROXY"] = no;
  if (config.oomScoreAdjust !== 0) writeFileSync("/proc/self/oom_score_adj", String(config.oomScoreAdjust));
  mkdirSync(config.dataRoot, { recursive: true, mode: 0o710 });
  // The way to what containers have mounted: another's OCI runtime walks it as their root.
  if (config.remap) {
    for (const path of [dirname(config.dataRoot), config.dataRoot]) chownSync(path, 0, config.remap.root.gid);
  }
  mkdirSync(config.execRoot, { recursive: true, mode: 0o711 });
}

/** Runs the daemon until a signal ends it. Throws what keeps it from starting. */
export async function runDaemon(config: EngineConfig, parts: DaemonParts): Promise<number> {
  configureLog({ level: config.logLevel === "warn" ? "warning" : config.logLevel, format: config.logFormat });
  log("info", "Starting up");
  prepareProcess(config);
  const held: Held = holdPidfile(config.pidfile, config.dataRoot);
  const shutdown = new AbortController();
  try {
    // A request that went wrong in a way nobody thought of must not take the containers' engine down.
    process.on("uncaughtException", (error) =>
      log("error", "Uncaught exception", { error, stack: error.stack }),
    );
    process.on("unhandledRejection", (error) =>
      log("error", "Unhandled rejection", { error, stack: (error as Error | undefined)?.stack }),
    );
    const running = await bringUp(config, parts, shutdown.signal);
    const signal = await untilTold(running.engine);
    log("info", `Processing signal '${WORDS[signal] ?? signal}'`);
    await takeDown(running, () => shutdown.abort(new Error("the engine is shutting down")));
    log("info", "Daemon shutdown complete");
    return 0;
  } finally {
    held.release();
  }
}
